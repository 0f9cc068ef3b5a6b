"""Hard moments with other people: family, friendship, love, guilt, jealousy.

The notation is explained in ``notation.py``.
"""

TABLE = """
## family_quarrel | family
- angry sad | I quarrelled with my sister ; my sister and I had a fight | the fight with your sister
    | your sister
- angry sad | I quarrelled with my {kin} ; my {kin} and I had a fight | the fight with your {kin} |
    your {kin}
- angry sad | I quarrelled with my brother ; my brother and I had a fight | the fight with your
    brother | your brother
- sad angry | I had a fight with my mother ; my mother and I had a fight | the fight with your
    mother | your mother
- angry sad | I had a fight with my father ; my dad and I shouted at each other | the fight with
    your father | your father
- angry sad | I had an argument with my cousin ; my cousin and I had a fight | the argument with
    your cousin | your cousin
- guilty angry | I had a fight with my daughter ; my daughter and I had a fight | the fight with
    your daughter | your daughter
- guilty angry | I had a fight with my son ; my son and I had a fight | the fight with your son |
    your son
? Have you talked to {t} since then?
y Yes, but only a little. / yes, this morning / Yes, we talked on the phone. / yes we did
= It's good that you talked. Small steps can bring you and {t} close again.
= I'm glad you talked. Be patient with {t} and with yourself.
n No, not yet. / No, we are not talking. / not yet / No, I don't want to talk now.
= That's okay, take your time. A short message to {t} can be a good first step.
= You don't have to hurry. When you are calm, tell {t} how you feel.
? What was the fight about?
o Money. / It was about money. / about money, as always / We fought about money.
= Money is a hard topic in many families. Talk about it with {t} when you are both calm.
o Something silly. / nothing important / It was a small thing. / something stupid
= Small things can grow big when we are tired. A kind word to {t} may be enough to make peace.
o The housework. / about cleaning the kitchen / It was about who does the housework.
= Housework starts many fights. Maybe you and {t} can make a simple plan together.
! Wait until you are both calm, and then tell {t} how you feel.

## family_ill | family
- anxious sad | my {kin} is ill ; my {kin} is in hospital | your {kin}
- anxious sad | my grandmother is in hospital ; my grandma is in the hospital | your grandmother
- anxious sad | my grandfather is very ill ; my grandpa is very sick | your grandfather
- anxious sad | my mother is ill ; my mum is sick | your mother
- anxious | my father needs an operation ; my dad is having an operation | your father's operation |
    your father
- sad anxious | my aunt has cancer | your aunt
- anxious | my brother had an accident ; my brother was in an accident | your brother's accident |
    your brother
- anxious tired | my baby has a fever ; my little baby has a high fever | your baby's fever | your
    baby
- sad | my grandfather does not know my name any more ; my grandpa forgets everything | your
    grandfather
? How is {t} today?
o A little better. / a bit better today / Better than yesterday. / better, I think
= I'm glad to hear that. I hope that {t} gets stronger every day.
= That is good news. Your love and care will help {t} too.
o Not so good. / not good / Worse than yesterday. / very weak
= I'm sorry. It's hard to see {t} like this. Please look after yourself as well.
= That must be hard for you. Just being there for {t} means a lot.
? Can you be with {t}?
y Yes, I go there every day. / yes, every day / Yes, I'm there now. / yes I can
= That is lovely. Your company will give {t} strength.
= I'm glad you can be there. Remember to eat and rest too.
n No, I live too far away. / no, it is too far / No, I have to work.
= That must be hard. A phone call or a card can make {t} smile too.
= I'm sorry. Call when you can, so that {t} hears your voice.
! Ask the doctor your questions, and take turns with others so that you can rest.

## death | loss
- sad | my grandmother died ; my grandma passed away | the loss of your grandmother | your
    grandmother
- sad | my grandfather died ; my grandpa passed away | the loss of your grandfather | your
    grandfather
- sad | my {kin} died ; I lost my {kin} | the loss of your {kin} | your {kin}
- sad | my uncle passed away ; my uncle died last week | the loss of your uncle | your uncle
- sad lonely | my mother died last year ; I lost my mother | the loss of your mother | your mother
- sad lonely | my father died ; I lost my father | the loss of your father | your father
- sad lonely | my wife died ; I lost my wife | the loss of your wife | your wife
- sad lonely | my husband died ; I lost my husband | the loss of your husband | your husband
- sad | my best friend died ; I lost my best friend | the loss of your best friend | your friend
? Were you very close to {t}?
y Yes, very close. / yes, we talked every day / Yes, we did everything together.
= Then it's normal that it hurts so much. Your love for {t} will always stay with you.
= I can feel how much {t} means to you. Take all the time you need to cry and to remember.
n Not really, but I'm still sad. / not so close / No, but I miss our talks.
= You can be sad all the same. It's good to take a quiet moment for {t}.
? Would you like to share a happy memory of {t}?
y We laughed a lot together. / yes, we always laughed so much / Yes, we cooked together on Sundays.
= That is a beautiful memory. Nobody can take it away from you.
= How lovely. Memories like that keep {t} close to your heart.
n I can't talk about it now. / no, it hurts too much / not now / It's too hard.
= That's okay. You don't have to talk. I'm here when you are ready.
! Give yourself time, look at old photos, and talk about {t} with people you love.

## family_far | family
- lonely sad | my {kin} moved to {country} ; my {kin} lives in {country} now | your {kin} being in
    {country} | your {kin}
- lonely sad | my son moved out ; my son left home | your son moving out | your son
- sad lonely | my daughter moved to another country ; my daughter lives abroad now | your daughter
    moving away | your daughter
- lonely homesick | my parents live far away ; my mum and dad live so far away | your parents being
    far away | your parents
- sad lonely | my sister moved to another city ; my sister moved away | your sister moving away |
    your sister
- lonely | my husband works abroad ; my husband is always away for work | your husband being away |
    your husband
- lonely sad | my best friend is moving away ; my best friend moved away | your best friend moving
    away | your friend
- lonely | my girlfriend lives in another country ; my girlfriend lives far away | your girlfriend
    being far away | your girlfriend
? How often do you talk to {t}?
o Every week. / once a week / We talk every Sunday. / every evening
= That's nice. A regular call keeps you close to {t}.
= I'm glad. Something to look forward to makes the distance smaller.
o Almost never. / not often / Only at Christmas. / not as often as I want
= I'm sorry. Maybe you and {t} can choose a fixed day for a call.
= That must be hard. Send {t} a photo today, it's a nice way to start.
? Can you plan a visit soon?
y Yes, in the summer. / yes, next month / Yes, maybe at Christmas.
= How nice! Count the days and plan something you will both enjoy.
n No, it's too expensive. / no, the tickets cost too much / No, I have no time.
= That's a pity. A long video call with a cup of tea can help until then.
! Choose a fixed day for a call with {t}, and plan one nice thing with people near you.

## parents_trouble | family
- sad confused | my parents are getting divorced ; my mum and dad are splitting up | your parents'
    divorce | your parents
- sad anxious | my parents fight all the time ; my mum and dad always fight | your parents fighting
    | your parents
- angry sad | my parents don't understand me | the trouble with your parents | your parents
- angry | my father never listens to me ; my dad never listens | the trouble with your father | your
    father
- angry | my mother is too strict ; my mum is so strict with me | the trouble with your mother |
    your mother
- disappointed sad | my father forgot my birthday ; my dad did not call on my birthday | your
    birthday | your father
? Have you told {t} how you feel?
y Yes, but it changed nothing. / yes, many times / I tried. / yes, last week
= It was brave to say it. Maybe a letter to {t} can help to explain it better.
= I'm sorry that it didn't help yet. Maybe another adult you trust can talk with {t}.
n No, I'm afraid to. / no, I can't / I don't dare. / No, never.
= I understand. You could write it down first, then it's easier to tell {t}.
= That's okay. Choose a quiet moment and start with a short sentence.
! Choose a quiet moment and tell {t} how you feel, without blaming anyone.

## parenting | family
- tired stressed | my baby cries all night ; my baby doesn't sleep | your baby crying at night |
    your baby
- tired stressed | my children fight all day ; my kids are so loud | your children fighting | your
    children
- tired | I have twins and no time for myself ; I have two babies and no time to rest | life with
    twins | your babies
- stressed | my son doesn't want to do his homework ; my son hates his homework | your son's
    homework | your son
- stressed anxious | my little daughter won't eat ; my daughter doesn't eat anything | your daughter
    not eating | your daughter
- stressed sad | my teenage son doesn't talk to me any more ; my teenage son hates everything | your
    teenage son | your son
? Does anyone help you at home?
y Yes, my mother helps. / yes, a little / My husband helps in the evening. / Yes, my wife does.
= I'm glad you have help. Use that time to rest, you have earned it.
= That's good. Two can carry more than one, so don't be afraid to ask for more.
n No, I'm alone. / no, nobody / No, I do everything myself.
= That's a lot for one person. Is there a friend or neighbour you can ask for one free hour?
= I'm sorry. You are doing a great job, even when it doesn't feel like it.
! Ask someone for one free hour this week. A rested parent is good for {t} too.

## friend_forgot | friendship
- sad disappointed | my friend forgot my birthday ; my best friend forgot my birthday | your
    birthday
- disappointed angry | my friend cancelled our plans ; my friend cancelled again | your plans with
    your friend
- sad lonely | my friends went out without me ; all my friends met without me | your friends going
    out without you
- sad lonely | I was not invited to the party ; everyone was invited to the party except me | not
    being invited
- sad anxious | my best friend doesn't answer my messages ; my friend ignores my messages | your
    friend not answering
- sad disappointed | my friend has no time for me any more ; my friend never has time | your friend
    having no time
? Did you tell your friend that it hurt you?
y Yes, I did. / yes, and my friend said sorry / I sent a message. / yes, yesterday
= It was brave to be honest. A good friend will listen and try to do better.
= I'm glad you said it. Now your friend can make it right.
n No, I don't want to look silly. / no, I said nothing / not yet / No, I'm too sad.
= Your feelings are not silly. A good friend wants to know when you are hurt.
= I understand. A calm message like "I missed you" can open the door.
? How long have you been friends?
o Since school. / for ten years / We met as children. / a very long time
= That is a long friendship. It's worth an honest talk.
o Only a few months. / not long / since last summer / We met this year.
= A new friendship needs time to grow. Give it one more chance and see.
! Tell your friend calmly how you felt, and give your friend a chance to explain.

## friend_betrayed | friendship
- angry sad | my friend lied to me ; my best friend told me a lie | your friend's lie
- angry embarrassed | my friend told everyone my secret ; my friend shared my secret | your friend
    telling your secret
- angry | my friend borrowed money and never paid it back ; my friend doesn't pay me back | your
    friend and the money
- angry | my flatmate eats all my food ; my flatmate always takes my food | your flatmate
- angry sad | my friend talks badly about me ; my friend says bad things about me | your friend's
    words
- sad angry | my best friend is dating my ex | your friend and your ex
? Do you still want to be friends?
y Yes, I do. / yes, we have been friends for years / I think so. / yes, but I'm hurt
= Then it's worth an honest talk. Say what hurt you and what you need now.
= I understand. Trust can grow again, but it needs time and honest words.
n No, I don't trust that person any more. / no, not after this / I don't think so.
= That's your right. You can let go and keep your time for people who are good to you.
= I understand. Trust is important, and you may protect yourself.
! Say calmly what hurt you. Then wait and see what the other person does.

## lonely | friendship
- lonely sad | I have no friends here ; I don't know anyone here | having no friends nearby
- lonely | nobody talks to me at lunch ; I always eat lunch alone | eating lunch alone
- lonely bored | I spend every evening alone ; I am alone every evening | your evenings alone
- lonely sad | I am alone on my birthday ; I have nobody to celebrate my birthday with | your
    birthday alone
- lonely sad | I will be alone at Christmas ; I have nobody to spend Christmas with | Christmas
    alone
- lonely | I live alone and nobody calls me ; nobody ever calls me | the silence at home
? Is there someone you could call or write to?
y Maybe my cousin. / yes, an old friend / Yes, my sister. / maybe a friend from school
= That's a good idea. A short hello today can make you both happy.
= Then do it today. Many people are glad when someone thinks of them.
n No, nobody. / no, there is no one / I don't think so. / No, I lost touch with everyone.
= I'm sorry. A club or a class near you is a good place to meet kind people.
= I'm glad you are talking to me. Maybe a small step outside, like a course, can help.
? What do you like to do in your free time?
o I like reading. / I read a lot / reading books / I love books.
= Then a book club could be nice. People there like to talk about the same things.
o I like sport. / football / I like running. / swimming
= Sport is a great way to meet people. A team near you would be happy to have you.
o I like music. / I sing / I play the guitar. / music, mostly
= Music brings people together. Maybe there is a choir or a band near you.
! Take one small step: join a club, say hello to a neighbour, or write to an old friend.

## guilt | guilt
- guilty | I lied to my mother ; I told my mum a lie | the lie | your mother
- guilty | I forgot my wife's birthday ; I forgot the birthday of my wife | the forgotten birthday |
    your wife
- guilty sad | I shouted at my children ; I was too hard on my kids | shouting at your children |
    your children
- guilty embarrassed | I broke my friend's phone ; I dropped my friend's phone | the broken phone |
    your friend
- guilty | I said something mean to my sister ; I was so mean to my sister | your words to your
    sister | your sister
- guilty sad | I missed my son's school play ; I did not go to my son's school play | the school
    play | your son
- guilty | I forgot to call my grandmother ; I never call my grandma | the forgotten call | your
    grandmother
- guilty | I cheated in a test ; I cheated in the exam | cheating in the test | your teacher
- guilty | I did not keep my promise to my brother ; I broke a promise to my brother | the broken
    promise | your brother
- guilty | I let my best friend down ; I was not there for my best friend | letting your friend down
    | your friend
- guilty embarrassed | I broke my {kin}'s {object} ; I lost my {kin}'s {object} | your {kin}'s
    {object} | your {kin}
- guilty | I shouted at my {kin} ; I lied to my {kin} | what you said to your {kin} | your {kin}
? Have you said sorry to {t}?
y Yes, I did. / yes, right away / Yes, but it was not enough. / yes, yesterday
= That was the right thing to do. Now give it time and be kind to yourself.
= Good. Saying sorry takes courage. Show {t} with small kind acts that you mean it.
n No, not yet. / no, I'm too ashamed / I don't know how. / No, I'm afraid.
= It's never too late. A simple "I'm sorry" to {t} can do a lot.
= I understand that it's hard. Be honest and short, {t} will see that you mean it.
? What would you do differently next time?
o I would stay calm. / stay calm / I would think first. / take a deep breath first
= That's a good plan. You learn from it, and that is what counts.
o I would tell the truth. / be honest / I would be honest from the start.
= Honest words are a good start. I'm sure {t} will feel that you mean it.
o I would write it down. / set an alarm / I would plan better.
= That's a practical idea. A small note can save you a lot of trouble.
! Say sorry to {t} in simple words, and then forgive yourself too.

## jealous | jealousy
- jealous disappointed | my friend got the job I wanted ; my friend has my dream job | your friend's
    new job
- jealous | my brother bought a new car ; my brother has a beautiful new car | your brother's new
    car
- jealous | my {kin} has a new {object} ; my {kin} got a new {object} | your {kin}'s new {object}
- jealous sad | my sister is the favourite child ; my parents love my sister more | your sister
- jealous | everyone is on holiday except me ; all my friends are at the beach | your friends'
    holidays
- jealous sad | my ex has a new girlfriend ; my ex is in love again | your ex
- jealous | my neighbours have a bigger house ; my neighbours have a big garden and a pool | your
    neighbours' house
- jealous anxious | my boyfriend talks to another girl ; my boyfriend writes to another girl | your
    boyfriend and that girl
- jealous disappointed | my classmate always gets better grades ; everyone in class is better than
    me | your classmate's grades
? What would make you feel better about yourself?
o To reach something too. / I want to do something great too / If I had a goal. / some success
= Then choose one small goal for this month. Your own steps are the ones that count.
o if I could stop comparing / To stop comparing myself.
= Comparing makes us all feel small. Write down three good things in your own life.
o A kind word. / some attention / If someone told me I'm good too. / a hug
= You deserve kind words. You are good just as you are, and I mean that.
! Try to look at your own path. Write down three things that you are happy about.

## breakup | love
- sad lonely | my girlfriend left me ; my girlfriend broke up with me | the breakup
- sad lonely | my boyfriend broke up with me ; my boyfriend left me | the breakup
- sad confused | my wife and I are splitting up ; my wife wants a divorce | the end of your marriage
- sad angry | my husband wants a divorce ; my husband left me for another woman | the end of your
    marriage
- angry sad | my boyfriend cheated on me ; my boyfriend kissed another girl | your boyfriend
    cheating on you
- angry sad | my girlfriend cheated on me ; my girlfriend is seeing someone else | your girlfriend
    cheating on you
- sad | I still love my ex ; I miss my ex so much | missing your ex
? How long were you together?
o Two years. / almost two years / Three years. / for a long time, five years
= That's a long time, so of course it hurts. Give your heart time to heal.
= After so long it's normal to feel lost. Lean on your friends and family now.
o Only a few months. / not long / half a year / Just one summer.
= Even a short love can hurt a lot. Be gentle with yourself this week.
? Do you have someone to talk to?
y Yes, my best friend. / yes, my sister / I talk to my mum. / yes, a good friend
= I'm glad. Let them hold you for a while. You don't have to be strong all the time.
n No, nobody. / no, not really / I don't want to bother anyone.
= I'm here to listen. And I'm sure there is someone who would be glad to help you.
! Don't stay alone too much. Go for walks, sleep enough, and let yourself cry.

## couple_quarrel | love
- angry sad | I had a fight with my boyfriend ; my boyfriend and I had a fight | the fight with your
    boyfriend | your boyfriend
- angry sad | I had a fight with my girlfriend ; my girlfriend and I had a fight | the fight with
    your girlfriend | your girlfriend
- sad angry | I had a fight with my wife ; my wife and I argue a lot | the fight with your wife |
    your wife
- angry sad | I had a fight with my husband ; my husband and I argue all the time | the fight with
    your husband | your husband
- sad lonely | my husband never has time for me ; my husband works all the time | your husband
    having no time | your husband
? What hurts you the most?
o That nobody listens to me. / I feel not heard / I feel alone. / being ignored
= Everyone needs to be heard. Ask {t} for ten quiet minutes, just to listen.
o The loud words. / the shouting / What was said to me. / the mean words
= Words can hurt a lot. Agree with {t} to stop when it gets too loud.
? Do you want to make peace with {t}?
y Yes, of course. / yes, very much / Yes, but I don't know how.
= Then take the first step. A warm hug or a kind word to {t} can open the door.
n Not yet. / no, I'm too angry / No, not today.
= That's okay. Go for a walk first, and talk to {t} when the anger is smaller.
! Talk to {t} in a calm moment, and say "I feel" and not "you always".

## crush | love
- anxious excited | I have a first date tomorrow ; I have a date tonight | your date
- anxious confused | I am in love with my best friend ; I love my best friend | being in love with
    your friend
- anxious | I like a girl in my class but I am too shy ; I am too shy to talk to a girl I like |
    talking to her
- anxious confused | I have a crush on a boy at work ; I like a boy at work | your crush
- sad disappointed | the girl I like said no ; she said no when I asked her out | hearing a no
? What do you like most in this person?
o The smile. / a beautiful smile / That lovely smile. / the eyes
= A smile can light up a room. Smile back and say a simple hello.
o We laugh a lot. / the humour / being so funny / We have the same humour.
= Laughing together is a great sign. Just be yourself, that is enough.
o So kind. / a kind heart / The kindness. / being so nice to everyone
= Kind people like honest words. You can trust your heart and take it slowly.
! Just be yourself, ask questions and listen well. That is what people like.
"""
