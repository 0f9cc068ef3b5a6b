"""Happy, proud, grateful and hopeful moments.

The notation is explained in ``notation.py``.
"""

TABLE = """
## passed | school
+ happy proud relieved | I passed my exam ; I passed the exam | passing your exam
+ happy proud relieved | I passed my {subject} exam ; I passed the {subject} test | your {subject}
    exam
+ proud happy relieved | I passed my driving test ; I have my driving licence | your driving test
+ proud happy | I got the best grade in class ; I got a very good grade | your grade
+ proud happy | I finished school ; I am done with school | finishing school
+ proud happy | I got into university ; the university said yes | university
+ proud happy | my teacher praised me ; my teacher said that I am doing great | your teacher's words
+ proud happy | my daughter passed her exam ; my daughter finished school | your daughter
? Did you celebrate it?
y Yes, with my family. / yes, with friends / We had cake. / yes, we went out
= How lovely! You earned every bit of it.
= That sounds great. Keep this good feeling for hard days.
n Not yet. / no, not yet / No, I was too tired. / tomorrow
= Then do it soon! Even a piece of cake makes a good day better.
? What will you do next?
o I'll take a break. / rest / first a holiday / I will sleep a lot.
= Good idea. After so much work you should rest and enjoy it.
o I'll keep learning. / study more / the next exam / I want to learn more.
= I like that. Go on step by step, you can do a lot.

## new_job | work
+ happy excited proud | I got the job ; I got a new job | your new job
+ happy excited proud | I got a job as a {job} ; I am a {job} now | your job as a {job}
+ proud happy | I got a promotion ; my boss gave me a better job | your promotion
+ happy proud | I get more money at work ; my boss pays me more now | your work
+ proud happy | my boss said that I do great work ; my boss thanked me today | your work
+ excited hopeful | I am opening my own cafe ; I am going to have my own shop | your own place
? How do you feel about it?
o Very happy. / so happy / I can't believe it. / great
= You should be! Enjoy this moment, you worked hard for it.
o A little nervous. / nervous too / happy and afraid / Excited but nervous.
= That's normal with something new. You were good enough to get here, so trust yourself.
? Who did you tell first?
o My mother. / my mum / My parents. / my dad
= How sweet! I'm sure your parents are very proud of you.
o My best friend. / my friend / a good friend / my wife / My husband.
= It's so nice to share good news with someone you love.

## new_pet | pets
+ happy excited | I got a puppy ; we have a new puppy | your puppy
+ happy excited | I got a kitten ; we have a little kitten now | your kitten
+ happy excited | I got a {pet} ; we have a new {pet} | your {pet}
+ happy | we took a dog from the shelter ; I have a dog from the shelter | your dog
+ happy excited | I have two new fish ; I got two little fish | your fish
+ relieved happy | my cat came home ; my cat is back | your cat
+ relieved happy | my dog is healthy again ; my dog is well again | your dog
? What is the name of {t}?
o Luna. / Max. / Bella. / Coco. / Charlie. / Milo. / Nala. / Rocky.
= What a beautiful name! I wish you a lot of fun together.
= I love that name! Give a little hug from me.
? What do you like to do together?
o We play in the garden. / play / playing, mostly / We play all day.
= Playing together makes you real friends. Have a lot of fun!
o We sit on the sofa. / we rest on the sofa / We just sit together. / watching
= That sounds so cosy. Quiet moments are the best ones.

## family_joy | family
+ happy excited | my sister had a baby ; my sister has a little baby | the baby
+ happy excited anxious | I am going to be a father ; my wife is having a baby | your baby
+ happy excited anxious | I am having a baby ; I am going to be a mother | your baby
+ relieved happy grateful | my grandmother is home from the hospital ; my grandma is healthy again |
    your grandmother
+ happy grateful | my {kin} called me today ; I talked to my {kin} again | talking to your {kin}
+ happy proud | my baby took the first steps ; my baby can walk | your baby
+ happy grateful | my family is visiting me ; my parents are coming to see me | your family's visit
+ proud happy | my son won a prize ; my son won first place | your son
+ happy relieved | I made up with my sister ; my sister and I are friends again | you and your
    sister
+ happy proud | I became a grandmother ; I have my first grandchild | your grandchild
? How is your family feeling about it?
o Everyone is happy. / we are all so happy / Very happy. / all happy
= That's wonderful. Enjoy this time together, it's a gift.
o A bit tired, but happy. / tired but happy / My mother cried for joy. / we cried a little
= What a beautiful moment. Take many photos and rest a little too.

## love_joy | love
+ happy excited | I am getting married ; we are getting married | your wedding
+ happy excited | my boyfriend asked me to marry him ; my boyfriend wants to marry me | your wedding
    plans
+ happy excited | she said yes ; my girlfriend said yes | the big yes
+ happy excited | I am in love ; I fell in love | being in love
+ happy hopeful | my first date went well ; I had a wonderful date | your date
+ happy grateful | it is our tenth wedding anniversary ; we have been married for ten years | your
    anniversary
? How did you two meet?
o At school. / in school / We met at school. / in class
= How sweet! From school days to real love, that's a lovely story.
o At work. / we work together / We met at work. / in the office
= How nice! Then you know each other on good and bad days.
o Online. / on the internet / We met online. / in an app
= The world is full of surprises. I'm glad that you two found each other.
o Through friends. / at a party / A friend brought us together. / at a birthday
= Good friends have good ideas! I wish you two all the best.

## travel_joy | travel
+ excited happy | I am going on holiday tomorrow ; my holiday starts tomorrow | your holiday
+ excited happy | I am flying to {country} ; I am going to {country} | your trip to {country}
+ excited happy | I am going to {town} ; we are going on a trip to {town} | your trip to {town}
+ excited | I am flying to Japan ; I am going to Japan | your trip to Japan
+ excited happy | we are going to the sea ; we are going to the beach | your days at the sea
+ excited happy | we are going to the mountains ; we are going to walk in the mountains | your days
    in the mountains
+ excited happy | I am going to see my family after two years ; I am flying home at last | going
    home
? What are you looking forward to the most?
o The food. / the food, of course / eating / New food.
= Good food makes every trip better. Try something that you don't know yet!
o The sea. / swimming / the water / The sun and the water.
= That sounds wonderful. Breathe the fresh air for me too!
o Seeing people I love. / the people / my family / Seeing everyone.
= That will be a warm moment. Give them a big hug.
o Just rest. / doing nothing / sleep / To rest.
= Rest is the best part. Leave your work and your worries at home.

## won | sport
+ proud happy | I won the race ; I won my race | the race
+ happy proud | our team won the game ; we won the final | your team
+ proud happy | I won a chess game against my father ; I beat my dad at chess | your chess game
+ proud happy | I scored my first goal ; I scored two goals today | your goal
+ proud | I ran ten kilometres ; I ran my first ten kilometres | your run
+ happy excited | I won some money ; I won a prize | your prize
? Was it hard?
y Yes, very hard. / yes, until the end / It was so hard. / yes, I trained for months
= Then you can be even more proud. Your hard work was worth it.
n No, it was fun. / no, it was easy / Not really. / no, I was lucky
= Even better! Enjoy it, and keep that good feeling.

## celebrate | parties
+ happy excited | it is my birthday ; today is my birthday | your birthday
+ excited happy | I am having a party on Saturday ; I am planning a party | your party
+ excited happy | I am going to a concert ; I have tickets for a concert | the concert
+ happy excited | my {kin} is visiting me ; my {kin} is coming on {day} | your {kin}'s visit
+ happy excited | my best friend is visiting me ; my friend is coming this weekend | your friend's
    visit
+ happy | I met my old school friends ; I saw my old friends again | your old friends
+ excited happy | tomorrow is Christmas ; Christmas is coming | Christmas
? Who will you share it with?
o My friends. / with my friends / all my friends / some good friends
= Good friends make every day better. Have a wonderful time!
o My family. / with my family / my parents / My children.
= Time with family is a gift. Enjoy every minute!
o Nobody, just me. / alone / just me / I'm on my own.
= Then make it special for yourself. You deserve something nice.

## kindness | friendship
+ grateful happy | my friend helped me all day ; my friend helped me with my move | your friend's
    help
+ grateful | my neighbour brought me soup ; my neighbour cooked for me | your neighbour's kindness
+ grateful relieved | a stranger found my wallet ; someone brought my wallet back | the kind
    stranger
+ grateful happy | my colleagues gave me flowers ; I got flowers at work | the flowers
+ grateful happy | my mother called just to say she loves me ; my mum said that she is proud of me |
    your mother's words
+ grateful | a nurse was so kind to me ; the doctors saved my life | the people who helped you
+ grateful happy | I got a wonderful gift ; my husband gave me a beautiful gift | your gift
+ happy grateful | I made a new friend ; I found a new friend | your new friend
+ happy grateful | my friend said sorry ; my friend and I made peace | you and your friend
? Did you have a chance to say thank you?
y Yes, I did. / yes, of course / Yes, with a big hug. / yes, many times
= Very good. Kind words make both people happy.
= How nice. Maybe one day you can do the same for someone else.
n Not yet. / no, not yet / No, I was too surprised. / no, I forgot
= It's never too late. A card or a small message will make someone smile.

## made_it | hobbies
+ proud happy | I baked my first bread ; I baked bread today | your bread
+ proud happy | I finished my painting ; I painted a picture | your painting
+ proud happy | I learned my first song on the guitar ; I can play a song on the piano | your song
+ proud happy | I made {food} for the first time ; I cooked {food} and everyone liked it | your
    {food}
+ proud happy excited | I am learning the {instrument} ; I can play a song on the {instrument} |
    playing the {instrument}
+ happy proud | my tomatoes are growing ; there are tomatoes in my garden | your tomatoes
+ proud happy | I cooked dinner for the whole family ; I cooked a big dinner | your dinner
+ proud | I repaired my bike myself ; I repaired my own bike | your bike
+ proud happy | I finished writing my book ; I wrote a short story | your story
+ proud happy | I learned to swim ; I can swim now | learning to swim
? How long did it take you?
o A few hours. / one day / All day. / the whole afternoon
= That was time well spent. I'm sure the result is lovely.
o Many weeks. / some months / Almost a year. / a long time
= You were so patient, and now you see the result. Well done!
? What will you try next?
o Something bigger. / something harder / I want to do a bigger one. / a bigger one
= I like your courage. Go step by step and have fun with it.
o The same again. / I'll do it again / more of it / I don't know yet.
= Good, that way it gets better each time. Enjoy it!

## new_home | home
+ happy excited | I bought a house ; we bought a house | your house
+ happy excited | I found a flat ; I have a new flat | your flat
+ happy excited | I have a new {object} ; I bought a new {object} | your new {object}
+ happy excited | I have a new bike ; I bought a new bike | your bike
+ happy excited | I bought my first car ; I have a new car | your car
+ happy relieved | my room is clean at last ; I cleaned the whole house | your clean home
? What do you like best about it?
o The colour. / the colour, it is blue / It is red. / the colours
= A nice colour makes every day brighter. Enjoy it a lot!
o That it is mine. / it's mine / It belongs to me. / that I did it alone
= That's a great feeling. You made it happen.
o Everything. / all of it / I love everything. / just everything
= Then it's just right for you. I'm happy with you!

## healthy | health
+ relieved happy | my test results are good ; the doctor said that everything is fine | your results
+ proud happy | I stopped smoking ; I have not smoked for three months | your life without smoking
+ happy relieved | I am healthy again ; I feel well again | your health
+ happy | I slept really well ; I slept ten hours | your good sleep
+ proud happy | I go running every morning now ; I do sport every day | your sport
+ relieved happy | my operation went well ; the operation is over | your operation
? What will you do with your new energy?
o Go for a walk. / a long walk / walk in the park / I'll go outside.
= Fresh air is the best idea. Enjoy every step!
o Meet friends. / see my friends / I'll visit my family. / meet people
= They will be happy to see you like this. Have a good time!
o I don't know yet. / rest first / nothing special / just enjoy it
= That's fine too. Just enjoy the good feeling.

## hope | future
+ hopeful excited | I applied for my dream job ; I wrote to my dream company | your dream job
+ hopeful excited | I am starting a new course ; I am learning a new language | your course
+ hopeful | my interview went well ; the interview was good | the job
+ hopeful | I am looking for a new start ; I want to start again | your new start
+ hopeful anxious | I am waiting for good news ; I hope for good news tomorrow | the good news
+ hopeful happy | my father is getting better ; my dad is getting better every day | your father
? What do you wish for the most?
o That it works. / that it goes well / I just want it to work. / good luck
= I wish that for you too. You did your part, now let time work for you.
o A better life. / to be happy / A happy life. / some peace
= That's a beautiful wish. Every small step brings you closer to it.

## nature | weather
+ happy | the sun is shining at last ; the sun is out today | the sun
+ happy excited | it is snowing for the first time ; the first snow is here | the snow
+ happy grateful | I saw a beautiful sunset ; the sunset was so beautiful | that sunset
+ happy | I walked in the forest ; I had a long walk in the forest | your walk
+ happy | spring is here ; the flowers are coming out | spring
? Were you alone or with someone?
o Alone. / alone / I was alone. / just me
= Quiet moments alone can be very good for us. Keep it in your heart.
o With a friend. / with my dog / with my family / With my husband. / with my wife
= Such moments are even better together. How lovely!
"""
