"""Hard moments with pets, health, home, travel, hobbies and everyday life.

The notation is explained in ``notation.py``.
"""

TABLE = """
## pet_ill | pets
- sad anxious | my dog is ill ; my dog is sick | your dog
- sad anxious | my cat is ill ; my cat is very sick | your cat
- sad anxious | my {pet} is ill ; my {pet} is sick | your {pet}
- anxious | my cat broke her leg ; my cat hurt her leg | your cat
- anxious sad | my rabbit doesn't eat ; my rabbit won't eat | your rabbit
- anxious | my dog needs an operation ; my dog is having an operation | your dog
- sad | my horse is ill ; my horse can't walk | your horse
- sad anxious | my old dog can hardly walk ; my dog is very old and weak | your dog
? Has a vet seen {t} yet?
y Yes, we went this morning. / yes, yesterday / Yes, the vet gave us pills. / yes, the vet was here
= Good, then {t} is in safe hands. Rest and your love will help now.
= I'm glad. Do what the vet says, and stay close to {t}.
n Not yet. / no, not yet / No, we go tomorrow. / no, the vet is closed
= Please call a vet as soon as you can. You will feel calmer when you know more.
= I hope you can see a vet soon. Keep {t} warm and quiet until then.
? How long have you had {t}?
o Since I was a child. / for ten years / Eight years. / a very long time
= That's a long friendship. No wonder you worry so much about {t}.
o Only a few months. / not long / just one year / since last summer
= And already you love {t} so much. I hope things get better soon.
! Keep {t} warm and quiet, offer fresh water, and call the vet.

## pet_died | pets
- sad | my dog died ; we lost our dog | the loss of your dog | your dog
- sad | my {pet} died ; we lost our {pet} | the loss of your {pet} | your {pet}
- sad | my cat died ; we lost our cat | the loss of your cat | your cat
- sad | my hamster died ; my little hamster is dead | the loss of your hamster | your hamster
- sad | my bird died ; my little bird is dead | the loss of your bird | your bird
? What was {t} called?
o Max. / Luna. / Bella. / Rocky. / Coco. / Charlie.
= That is a beautiful name. I'm sure {t} had a good life with you.
= What a sweet name. You gave {t} a warm home, and that means so much.
? How long did you have {t}?
o Ten years. / for many years / Since I was little. / almost eight years
= So many years of love. It's normal that you miss {t} a lot.
o Only one year. / not long / just a few months
= Even a short time can be full of love. You may cry for {t}.
! Look at old photos and say goodbye in your own way. Sadness is a sign of love.

## pet_lost | pets
- anxious sad | my {pet} ran away ; I can't find my {pet} | your {pet}
- anxious sad | my cat ran away ; my cat did not come home | your cat
- anxious sad | my dog ran away ; I can't find my dog | your dog
- sad anxious | my bird flew out of the window ; my bird is gone | your bird
? How long has {t} been gone?
o Since this morning. / since yesterday / A few hours. / since last night
= That's not long, so there is hope. Ask the neighbours and put some food outside.
o For a week. / since last week / many days / Three days.
= I'm sorry. Some pets come back after weeks, so don't give up on {t}.
! Ask your neighbours, put up a photo of {t}, and leave some food outside.

## pet_naughty | pets
- angry | my dog ate my shoes ; my dog destroyed my best shoes | your dog and the shoes | your dog
- angry | my cat scratched the sofa ; my cat destroyed the sofa | your cat and the sofa | your cat
- tired angry | my dog barks all night ; my dog won't stop barking | your dog barking | your dog
- stressed tired | my puppy makes the carpet dirty ; my puppy is not clean yet | your puppy | your
    puppy
- tired | my parrot wakes me up at five ; my parrot screams every morning | your parrot | your
    parrot
? Is {t} alone for many hours?
y Yes, I work all day. / yes, most of the day / Yes, sometimes.
= Then {t} may be bored. A long walk or a new toy can help a lot.
n No, I'm always at home. / no, never / No, we are together all day.
= Then it may just need time. Praise {t} for everything that goes well.
! Be patient, praise what goes well, and give {t} enough play and rest.

## ill | health
- sad tired | I have the flu ; I have a bad flu | your flu
- sad tired | my {body} hurts ; I have pain in my {body} | your {body}
- sad tired | I have a cold ; I have a bad cold | your cold
- sad tired | I have had a headache all day ; my head hurts | your headache
- sad tired | my back hurts ; I have such a bad back | your back
- sad anxious | I have a toothache ; my tooth hurts | your toothache
- sad tired | my throat hurts ; I have a sore throat | your sore throat
- sad tired | my stomach hurts ; I have a stomach ache | your stomach
? Have you been to a doctor?
y Yes, yesterday. / yes, this morning / Yes, I got some pills. / yes, I have to rest
= Good. Now rest, drink a lot, and let others help you.
= I'm glad. Follow the advice, and be patient with your body.
n No, not yet. / no, I don't like doctors / It's not so bad. / no, I have no time
= Rest and drink warm tea. If it gets worse, please see a doctor.
= I hope it gets better soon. But don't wait too long with a doctor.
? How long have you felt like this?
o Since yesterday. / since this morning / Two days. / since last night
= I hope it goes away fast. Stay warm, drink tea, and sleep a lot.
o For weeks. / for a long time / A month. / more than a week
= That's a long time. Please let a doctor have a look at it.
! Rest, drink enough, and see a doctor if it doesn't get better.

## injury | health
- sad angry | I broke my leg ; my leg is broken | your broken leg
- sad angry | I broke my arm ; my arm is broken | your broken arm
- sad | I hurt my foot ; I can't walk on my foot | your foot
- sad angry | I hurt my {body} ; I hurt my {body} in a fall | your {body}
- sad | I cut my finger ; I cut my finger in the kitchen | your finger
- sad angry | I fell off my bike ; I had an accident with my bike | your accident
- sad disappointed | I hurt my knee and can't play ; my knee is hurt and I can't run | your knee
? How did it happen?
o I fell. / I just fell / I was not careful. / too fast, as always
= It can happen to anyone. Give your body time, it knows how to heal.
o Playing football. / in a game / At sport. / during training
= Sport can be rough. Rest well, and come back when you are really ready.
? Do you have much pain?
y Yes, a lot. / yes, at night / It hurts very much. / yes, all the time
= I'm sorry. Tell your doctor, you don't have to be brave about pain.
n Not so much. / no, it's okay / A little. / no, it's better now
= I'm glad to hear that. Rest a bit more, so that it heals well.
! Rest, let others help you, and don't start again too early.

## doctor_fear | health
- anxious | I need an operation ; I am having an operation next week | your operation
- anxious | I have to go to the dentist ; I have a dentist appointment tomorrow | the dentist
- anxious | I am waiting for my test results ; the doctor has not called with my results yet | your
    test results
- anxious | I have to get an injection ; I am afraid of the injection | the injection
- anxious | I have to stay in hospital ; I must go to the hospital | the hospital
? Can someone go with you?
y Yes, my mother. / yes, my husband / My friend will come. / yes, my sister
= I'm glad. A hand to hold makes it much easier.
n No, I go alone. / no, nobody has time / No, I'm on my own.
= Then tell the nurse that you are afraid. They are used to it and they are kind.
= Take some music with you, and breathe slowly. You are braver than you think.
? What frightens you the most?
o The pain. / that it will hurt / pain / It may hurt.
= Tell them that you are afraid of pain. They can do a lot about it today.
o Not knowing. / that it's something bad / Bad news. / what they will find
= Not knowing is the hardest part. Try to do something nice while you wait.
! Write down your questions, ask someone to come with you, and breathe slowly.

## no_sleep | sleep
- tired | I can't sleep ; I lie awake every night | your bad nights
- tired anxious | I have bad dreams ; I had a terrible dream | your bad dreams
- tired | I wake up at four every night ; I always wake up too early | waking up so early
- tired | I only slept three hours ; I hardly slept last night | such a short night
- tired stressed | I think too much at night ; my thoughts keep me awake | those thoughts at night
? What do you do before you go to bed?
o I look at my phone. / my phone / I watch films. / TV, mostly
= The light of a screen keeps you awake. Try a book for the last half hour.
o I read. / I read a book / reading / I listen to music.
= That's a good habit. A warm drink and a cool room can help too.
o I work. / I work until late / I think about work. / emails
= Try to stop work an hour earlier. Write down your thoughts, and leave them on paper.
? Is there something on your mind?
y Yes, my work. / yes, a lot / So many things. / yes, money
= Write it all down before bed. On paper it gets smaller, and tomorrow is soon enough.
n No, nothing special. / no, I'm just awake / I don't think so.
= Then try to go to bed at the same time every day. Your body likes that.
! Put the phone away, write down your thoughts, and go to bed at the same time each day.

## moving | home
- anxious excited | I am moving to a new city ; I am moving to another city | moving to a new city
- anxious excited | I am moving to {town} ; I have to move to {town} | moving to {town}
- anxious sad | I have to move to another country ; we are moving to another country | moving to
    another country
- stressed | I have to pack all my boxes ; I am packing for my move | packing
- sad | we have to sell our house ; my parents are selling our house | selling the house
- stressed anxious | I can't find a flat ; I have been looking for a flat for months | looking for a
    flat
? What will you miss the most?
o My friends. / my friends, of course / the people / My family.
= Real friends stay, even when the road gets longer. Plan the first visit now.
o My room. / my garden / the old house / My old street.
= Take a few photos and one small thing with you. It will help you feel at home.
o Nothing. / nothing really / I'm glad to leave. / not much
= Then you are ready for something new. I wish you a good start.
! Take it box by box, ask friends for help, and plan something nice for the first evening.

## homesick | home
- homesick lonely | I study abroad ; I am studying in another country | studying abroad
- homesick lonely | I miss {country} ; I am so far away from {country} | being far from {country}
- homesick sad | I miss my mother's cooking ; I miss the food at home | being far from that food
- homesick sad | it is my first Christmas away from home ; I can't go home for Christmas | Christmas
    away from home
- homesick lonely | I miss my old town ; I miss my old home | being away from your old home
- homesick lonely | I am at a summer camp ; I am at camp and I want to go home | the camp
- homesick sad | I can't visit my family this year ; I have not seen my family for a year | being
    away from your family
? What do you miss the most?
o My family. / my mother / My parents. / my little brother
= Call them today, and tell them that. They will be happy to hear your voice.
= Of course you do. A photo of them near your bed can help a little.
o The food. / my mum's soup / The food at home. / the bread
= Ask for the recipe and cook it yourself. The smell will bring you a piece of home.
o My friends. / my old friends / all my friends
= Old friends stay in your heart. Write to one of them, and try to meet one new person here.
! Call home on a fixed day, cook something you know, and find one nice place where you are.

## travel_trouble | travel
- angry stressed | I missed my train ; I missed the last train | your train
- angry disappointed | my flight was cancelled ; they cancelled my flight | your flight
- angry stressed | my suitcase is lost ; the airport lost my suitcase | your suitcase
- disappointed sad | it rains every day of my holiday ; my holiday is full of rain | your holiday
- angry bored | I am stuck in traffic ; I have been in the car for hours | being stuck in traffic
- disappointed sad | I can't go on holiday this year ; we have no money for a holiday | your holiday
? What will you do now?
o I will wait. / just wait / nothing, wait / I have to wait.
= Then make it as nice as you can. Music or a good book makes the time go faster.
o I don't know. / no idea / I have no plan.
= First take a deep breath and eat something. Then ask someone at the desk for help.
o I'll go home. / go back home / I'll stay at home.
= Home can be nice too. Make yourself something good and rest.
! Take a deep breath, ask for help, and make the waiting time a little nicer.

## travel_fear | travel
- anxious | I am afraid of flying ; I have to fly and I am afraid | flying
- anxious excited | I am travelling alone for the first time ; I am going on a trip alone |
    travelling alone
- anxious | I have to drive on the motorway ; I am afraid of driving | driving
? What helps you when you are nervous?
o Music. / I listen to music / some music / my favourite songs
= Then make a list of calm songs. Close your eyes and breathe with the music.
o Talking to someone. / talking / when I can talk / a friend
= Then tell someone near you how you feel. Most people are kind about it.
o Nothing. / nothing helps / I don't know.
= Try this: breathe in for four, and breathe out for six. It makes the body calm.
! Breathe in for four and out for six, and look at something far away.

## sport_lost | sport
- disappointed sad | our team lost the final ; we lost the final | the final
- disappointed embarrassed | I came last in the race ; I was last in the race | the race
- disappointed angry | my coach left me on the bench ; I was not allowed to play | your coach
- guilty disappointed | I missed the penalty ; we lost because I missed the penalty | the penalty
- sad disappointed | my favourite team lost ; my team lost again | your team
? Will there be another chance?
y Yes, next week. / yes, next year / Yes, next month. / I hope so
= Then rest a little and train again. You learn more from a bad day than from a good one.
n No, it was the last game. / no, it's over / No, not this year.
= I'm sorry. Be proud that you were a part of it, that stays with you.
! Rest today. Tomorrow think of one thing to do better, and train it.

## hobby_fail | hobbies
- disappointed | my cake burned ; I burned the cake | your cake
- disappointed | my {food} was terrible ; I made {food} and it was terrible | the {food}
- sad disappointed | all my plants died ; my plants are dead | your plants
- disappointed | my painting looks ugly ; I don't like my painting | your painting
- disappointed stressed | I can't learn the {instrument} ; the {instrument} is so hard for me | the
    {instrument}
- disappointed stressed | I can't play this song on the guitar ; the guitar is too hard for me | the
    guitar
- disappointed embarrassed | I cooked dinner and it was terrible ; nobody liked my dinner | your
    dinner
- disappointed stressed | I can't finish my book ; I want to write a book but I can't | writing your
    book
? Do you want to try it again?
y Yes, tomorrow. / yes, I do / Yes, but differently. / maybe at the weekend
= I like that. Every time you will get a little better.
= That's the right spirit. Go slowly, and enjoy it.
n No, I give up. / no, I'm not good at it / No, never again.
= Take a break, that's okay. Everyone starts with mistakes, and one day you may want to try again.
! Go slowly, make it simple, and enjoy the doing more than the result.

## bored | free time
- bored | I have nothing to do ; there is nothing to do here | an empty day
- bored | it is a rainy Sunday ; it's Sunday and it rains | a rainy Sunday
- bored | I am sitting in a waiting room ; I have been waiting for two hours | waiting
- bored lonely | all my friends are busy ; nobody has time for me today | a day without friends
- bored | I have to stay in bed ; I am at home with nothing to do | staying at home
- bored disappointed | my job is so boring ; every day at work is the same | your job
? Would you like an idea from me?
y Yes, please. / yes please / Sure. / ok
= You could draw something you see, or write a letter to a friend. Both make time fly.
= Try to learn three words of a new language, or cook something new.
n No, thanks. / no thank you / Not now.
= That's okay. Sometimes doing nothing is good for us too.
! Go for a short walk, call a friend, or learn something small and new.

## embarrassed | public
- embarrassed | I fell down in the street ; I fell in front of everyone | falling down
- embarrassed | I called my teacher mum ; I said mum to my teacher | that moment
- embarrassed | I forgot my words on stage ; I forgot the words of my song | that moment on stage
- embarrassed | I spilled coffee on my shirt ; there is coffee all over my shirt | the coffee
- embarrassed | I waved at a stranger ; I said hello to the wrong person | that moment
- embarrassed | I wore my shirt the wrong way round all day ; my shirt was the wrong way round |
    your shirt
? Did many people see it?
y Yes, everyone. / yes, the whole class / So many people. / yes, they laughed
= It feels big to you now, but tomorrow they will think about themselves again.
= Oh dear. If you smile about it, people will smile with you and not at you.
n Only a few. / no, just two / Not many. / no, only my friend
= Then it's almost a secret. Soon it will be a funny story.
! Smile about it if you can. In a week it will be just a funny story.

## weather_bad | weather
- anxious | there is a big storm outside ; I am afraid of the storm | the storm
- tired | it is so hot that I can't do anything ; the heat is terrible | this heat
- sad tired | the winter is so dark ; it is dark and cold all day | the dark winter
- angry bored | it has been raining for a week ; it never stops raining | all that rain
- stressed | there is so much snow that I can't leave the house ; I can't get out because of the
    snow | the snow
? Are you warm and safe at home?
y Yes, I am. / yes, I'm at home / Yes, with a cup of tea.
= Good. Make it cosy, with a warm light and some music.
n No, I have to go out. / no, I'm outside / Not yet, I'm at work.
= Then please take care on your way, and do something cosy after that.
! Stay safe inside, drink enough, and make the room cosy.

## habits | habits
- guilty disappointed | I can't stop smoking ; I started smoking again | smoking
- guilty | I eat too many sweets ; I ate a whole cake | the sweets
- guilty | I am always on my phone ; I look at my phone all day | your phone
- guilty tired | I never do any sport ; I am too lazy for sport | not doing sport
- guilty stressed | I always do things too late ; I put everything off | putting things off
? Do you want to change it?
y Yes, I do. / yes, very much / I want to. / yes, but it's hard
= Then start very small, with one day. Small steps are stronger than big plans.
= That's a good first step. Tell a friend, so that someone cheers for you.
n Not really. / no, not now / I don't know if I can.
= That's okay. Change comes when you are ready, and you may start small.
! Start very small, do it at the same time every day, and be proud of each day.

## decision | life
- confused anxious | I don't know what to study ; I can't decide what to study | what to study
- confused | I have two job offers and can't decide ; I can't decide between two jobs | your two
    jobs
- confused anxious | I don't know if I should move in with my boyfriend ; my boyfriend wants to live
    with me | living together
- confused sad | I don't know what to do with my life ; I have no plan for my life | your life
- confused | I want to quit my job but I am afraid ; I think about leaving my job | leaving your job
? What does your heart say?
o I want to try it. / try something new / It says yes. / go for it
= Then listen to it, and plan the first small step. You can always change your way.
o I'm afraid. / my heart is afraid / It is afraid of a mistake. / I am too scared
= Fear is normal with something big. Ask yourself what you would tell a good friend.
o I don't know. / nothing / I can't hear it. / it's not clear
= Then you may need more time. Write down the good and the bad sides on paper.
! Write down the good and the bad sides, sleep on it, and talk with someone you trust.

## world | news
- anxious sad | the news is so terrible ; I watch the news and it is terrible | the news
- anxious | I worry about the future ; I am afraid of the future | the future
- anxious sad | there is a war in the world ; I read about the war every day | the war
- anxious | I worry about the climate ; the climate is getting worse | the climate
? How much news do you read each day?
o A lot. / too much / All day. / every hour
= That's a lot for one heart. Try to look only once a day, and then do something good.
o Not much. / a little / Only in the evening. / once a day
= That's a good way. You can't carry the whole world, but you can be kind to one person.
! Read the news only once a day, and do one small good thing near you.

## driving | accident
- anxious sad | I had a car accident ; I crashed my car | your accident
- guilty stressed | I scratched my dad's car ; I damaged my dad's car | the car
- angry | I got a parking ticket ; I have to pay a parking ticket | the ticket
- angry stressed | someone hit my parked car ; someone scratched my car | your car
? Are you okay?
y Yes, I'm okay. / yes, only a bit shocked / I'm fine. / yes, thanks
= I'm so glad. A car can be repaired, and you are what matters.
n Not really. / no, I'm still shaking / No, my neck hurts.
= Please sit down and breathe. If something hurts, let a doctor look at it.
! Take a deep breath, take some photos, and call your insurance.
"""
