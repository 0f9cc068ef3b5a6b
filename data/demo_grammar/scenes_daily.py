"""Hard moments at work, at school and with money.

The notation is explained in ``notation.py``.
"""

TABLE = """
## lost_job | work
- sad anxious | I lost my job at the bakery ; I just lost my job at the bakery | losing your job
- sad anxious | I lost my job as a {job} ; I am not a {job} any more | losing your job as a {job}
- sad anxious | I lost my job ; I just lost my job | losing your job
- anxious sad | my company is closing ; the company I work for is closing | your company closing
- angry sad | I was fired today ; my boss fired me | losing your job
- anxious | my contract ends next month ; I may lose my job next month | your contract ending
- sad anxious | the factory sent me home ; they don't need me at the factory any more | losing your
    work at the factory
? How long had you worked there?
o Five years. / five years / For five years. / almost ten years / Ten years.
= That is a long time. You learned a lot there, and a new place will be glad to have you.
= After so many years it must hurt. Take a few days to rest before you look for something new.
o Only a few months. / not long / Just one year. / a year
= Even after a short time it hurts. You can take what you learned to the next job.
? Do you have an idea what to do next?
y Yes, I'll look for a new job. / yes, I have some plans / Maybe I'll learn something new.
= That's a good plan. Take it step by step, I believe in you.
= I like that. Start with one small thing today, like writing your CV.
n No, I have no idea. / no, not yet / I'm too sad to think. / no plan at all
= You don't need a plan today. First rest, then ask friends and look at a few offers.
= That's okay. When you are ready, write down what you are good at. It's a good start.
! Rest first, then write your CV and tell your friends that you are looking for work.

## boss | work
- angry sad | my boss shouted at me ; my boss yelled at me today | your boss shouting at you
- disappointed angry | my boss never says thank you ; my boss doesn't see my work | your boss
- angry | my colleague took the credit for my work ; my colleague said that my work was his | your
    colleague
- sad angry | my colleagues talk behind my back ; my colleagues laugh about me | your colleagues
- disappointed sad | I did not get the promotion ; someone else got the promotion | the promotion
- angry stressed | my boss calls me on my day off ; my boss writes to me at night | your boss
? Have you talked with anyone at work about it?
y Yes, with a colleague. / yes, but it did not help / I told a friend at work. / yes, once
= It's good that you are not alone with it. Write down what happened, that helps later.
= I'm glad you said something. Stay calm and clear, you deserve respect.
n No, I'm afraid. / no, I don't dare / Not yet. / No, I don't trust anyone there.
= I understand. Maybe start with one colleague you trust.
= That's okay. Write down what happened first, then a talk will be easier.
! Ask for a short, calm talk and say clearly what you need. You deserve respect.

## work_stress | work
- stressed tired | I have too much work ; I have so much work to do | all that work
- tired | I work night shifts ; my night shifts never end | your night shifts
- tired stressed | I work every weekend ; I never have a free weekend | working every weekend
- stressed anxious | I have a deadline tomorrow ; my deadline is tomorrow | your deadline
- stressed tired | I have two jobs ; I work two jobs | having two jobs
- tired | I stood in the shop all day ; I worked twelve hours today | such a long day
- stressed tired | my office is so loud that I can't think ; it is too loud in my office | your loud
    office
? When was your last free day?
o Last Sunday. / on Sunday / a week ago / last week
= I hope it was a good one. Try to keep one evening this week just for yourself.
= Good that you had a little rest. Take small breaks today too.
o I don't remember. / weeks ago / A month ago. / too long ago
= That's too long. Your body needs rest, so please plan a free day soon.
= No wonder you are at your limit. Ask for a day off, even a short break helps.
? Is there something you can leave for later?
y Maybe some of it. / yes, a few things / Yes, the emails.
= Then put it away for today. One thing at a time is enough.
n No, everything is urgent. / no, nothing / No, it must be done.
= Then start with the smallest thing, and take five minutes of rest after it.
! Make a short list, do one thing at a time, and take a real break.

## big_day | work
- anxious excited | I have a job interview tomorrow ; my job interview is tomorrow | your job
    interview
- anxious excited | I start my new job as a {job} ; I begin to work as a {job} | your work as a
    {job}
- anxious excited | I start a new job on Monday ; my first day at work is on Monday | your new job
- anxious | I have to give a talk at work ; I have to speak in front of many people | your talk
- anxious | I want to ask my boss for more money ; I have to ask for more money at work | the talk
    with your boss
- anxious | I have to show my project to the whole team ; my project meeting is tomorrow | showing
    your project
- anxious excited | I am singing on a stage tonight ; I have to sing in front of people | singing on
    a stage
- anxious | I have to give a speech at a wedding ; I have to give a speech at my brother's wedding |
    your speech
? Have you had time to prepare?
y Yes, a lot. / yes, all week / Yes, I practised at home. / I think so
= Then you are ready. Breathe slowly, and trust what you know.
= Great, that's the most important part. You can be calm and show who you are.
n Not really. / no, not enough / No, I had no time. / only a little
= There is still time. Write down three main points and say them out loud.
= That's okay. Take half an hour today, and then rest. You will do better than you think.
? What are you most afraid of?
o That I forget everything. / forgetting my words / that my head is empty / I may forget it all.
= That happens to many people. A small note in your hand can help you a lot.
o That they don't like me. / what people will think / that they laugh / They may laugh at me.
= Most people want you to do well. Smile, and look at one friendly face.
! Prepare three main points, sleep well, and breathe slowly before you start.

## job_search | work
- sad disappointed | I can't find a job ; I have been looking for a job for months | your search for
    a job
- disappointed sad | I got another rejection ; another company said no | the rejection
- disappointed | they did not call me back after the interview ; I waited for a call about the job |
    waiting for that call
- sad anxious | I have no work and no money ; I have been without work for a year | being without
    work
? What kind of job are you looking for?
o Something in an office. / office work / A job in an office.
= Offices need careful people like you. Keep going, and ask a friend to read your CV.
o Something with people. / I like working with people / in a shop or a cafe
= It's a gift to work well with people. Go to some places in person and say hello.
o Anything. / I would take anything / any job / It doesn't matter.
= I understand. Think about what you do well, that makes your search easier.
! Send a few good letters each week, ask people you know, and rest in between.

## work_mistake | work
- embarrassed anxious | I sent an email to the wrong person ; I sent a private email to my boss |
    that email
- embarrassed | I fell asleep in a meeting ; I slept in a meeting today | sleeping in a meeting
- embarrassed guilty | I was late for work again ; I came too late to work | being late
- embarrassed anxious | I made a big mistake at work ; I did something wrong at work | the mistake
    at work
- embarrassed | I dropped all the plates in the restaurant ; I broke ten plates at work | the broken
    plates
? How did the others react?
o They laughed. / everyone laughed / They made jokes. / they found it funny
= Then laugh with them, if you can. Tomorrow they will talk about something else.
o My boss was angry. / they were angry / not well / Badly.
= I'm sorry. Say sorry once, explain what you learned, and then move on.
o They were nice. / nobody said anything / It was okay. / they were kind
= That's good to hear. You see, it was not as bad as it felt.
! Say sorry once, fix what you can, and then let it go.

## exam_ahead | school
- anxious stressed | I have a maths exam tomorrow ; my maths exam is tomorrow | your maths exam
- anxious | I have my driving test on Friday ; my driving test is next week | your driving test
- anxious stressed | I have a {subject} exam tomorrow ; my {subject} exam is on {day} | your
    {subject} exam
- anxious stressed | my final exams start soon ; my final exams are next week | your final exams
- anxious | I have an English test tomorrow ; there is an English test tomorrow | your English test
- anxious | I have a piano exam on Saturday ; my piano exam is this week | your piano exam
- anxious stressed | I have a history exam on Monday ; my history exam is on Monday | your history
    exam
? Have you been able to study?
y Yes, every day. / yes, a lot / Yes, I studied all week. / I think I'm ready
= Very good. Then sleep well tonight, your head will remember what you learned.
= You worked hard, and that will help you. Take a deep breath and trust yourself.
n Not enough. / no, not really / I started too late. / No, I can't concentrate.
= Then choose the most important parts and learn them in short blocks. You can do it.
= Don't panic. One calm hour today is better than a whole night without sleep.
? What is the hardest part for you?
o Remembering everything. / there is so much to remember / I forget things.
= Try to explain it to a friend or to a chair. It's a good way to remember.
o The stress. / staying calm / I panic. / my nerves
= When the panic comes, breathe out slowly five times. It really helps.
! Learn in short blocks with breaks, and go to bed early the night before.

## exam_failed | school
- sad disappointed | I failed my maths exam ; I failed the maths test | your maths exam
- disappointed embarrassed | I failed the driving test ; I failed my driving test again | your
    driving test
- sad disappointed | I failed my {subject} exam ; I failed the {subject} test | your {subject} exam
- sad anxious | I have to repeat the year ; I have to do the whole school year again | repeating the
    year
- disappointed sad | I got a bad grade ; my grade in English is so bad | your grade
- disappointed | my teacher did not like my essay ; I got a bad mark for my essay | your essay
- sad disappointed | I did not get into university ; the university said no | the university
? Do you know what went wrong?
y Yes, I was too nervous. / yes, I was nervous / I didn't study enough. / yes, I was too slow
= It's good that you know it. Next time you can work on exactly that.
= Then it was not for nothing, you learned something. Practise a little every day.
n No, I have no idea. / no, I don't understand it / I don't know what happened.
= Maybe you can ask your teacher. A few clear words can help you next time.
= That's hard. Look at it again in a few days, when it hurts less.
? Can you try again?
y Yes, in a month. / yes, next month / Yes, next year. / I think so
= Then you have a second chance. One bad day doesn't say who you are.
n No, that was the last time. / no, I can't / No, it's over.
= I'm sorry. There are other good ways, and we can think about them step by step.
! Be kind to yourself today. Then make a small plan and ask someone for help.

## bullied | school
- sad lonely | the other kids laugh at me ; the kids at school laugh at me | the other kids laughing
    at you
- sad angry | my classmates call me names ; everyone in my class calls me names | your classmates
- angry sad | someone took my lunch money ; a boy at school took my money | that boy at school
- sad lonely | nobody wants to sit next to me ; I always sit alone in class | sitting alone
- sad anxious | someone writes mean things about me online ; they post bad photos of me | those mean
    posts
? Does an adult know about this?
y Yes, my mother knows. / yes, my teacher / I told my parents. / yes, my dad
= I'm glad you told someone. That was brave, and you are not alone now.
n No, nobody knows. / no, I'm ashamed / I told nobody. / No, I'm afraid.
= Please tell a teacher or your parents. It's not your fault, and they can help you.
= I understand your fear. But you deserve help, so please talk to an adult you trust.
! It's not your fault. Tell a teacher or your parents, and stay close to kind people.

## new_school | school
- anxious excited | tomorrow is my first day at school ; it is my first day at school tomorrow |
    your first day at school
- anxious lonely | I am new in my class ; I am the new kid in class | being new in class
- anxious | I have to change schools ; I have to go to a new school | your new school
- anxious excited | I start university next week ; I am starting university soon | university
- anxious excited | my son starts school on Monday ; my little son goes to school for the first time
    | your son's first day at school
? What do you think will be the hardest part?
o Making friends. / to find friends / Meeting new people. / not knowing anyone
= Most people there feel the same way. A smile and a simple hello are a good start.
o The lessons. / the homework / Learning so much. / that it's too difficult
= Nobody has to know everything on the first day. Ask questions, teachers like that.
o Saying goodbye to the old life. / leaving the old friends / the goodbye
= Goodbyes are hard. Old friends can stay friends, even in a new place.
! Put your things ready the evening before, smile, and say hello to one person.

## study_trouble | school
- confused stressed | I don't understand {subject} ; {subject} is so hard for me | {subject}
- confused stressed | I don't understand maths ; maths is too difficult for me | maths
- stressed tired | I have too much homework ; my teacher gives us so much homework | your homework
- stressed | I can't concentrate ; I can't concentrate on my books | studying
- stressed anxious | I have to write a long essay ; my essay must be ready tomorrow | your essay
- bored | my lessons are so boring ; school is so boring | your lessons
- confused | English grammar is so hard ; I always make mistakes in English | learning English
? Is there someone who can help you?
y My sister can help. / yes, a friend / Yes, my teacher. / yes, my dad
= Great, ask for help today. Together it's easier, and more fun too.
n No, nobody. / no, I'm alone with it / I don't want to ask.
= Then make the task smaller. Take one page, and then a short break.
= It's okay to ask. Most people are happy when they can explain something.
! Put your phone away, work for twenty minutes, and then take five minutes of rest.

## money | money
- anxious stressed | I can't pay my rent ; I have no money for the rent | your rent
- anxious stressed | I have too many bills ; my bills are too high | your bills
- anxious | I owe the bank a lot of money ; I have so much debt | your debt
- stressed angry | my car repair is so expensive ; the repair of my car costs too much | your car
    repair
- guilty | I spent too much money ; I bought things that I don't need | the money you spent
- stressed anxious | everything is so expensive now ; prices go up every week | the high prices
? Do you know how much you spend each month?
y Yes, I write it down. / yes, I have a list / More or less, yes.
= Very good. Look for one thing on the list that you can do without.
n No, I have no idea. / no, I don't look / I'm afraid to look.
= Many people don't like to look. Try to write it down for one week, it gives you control.
? Is there someone who can give you advice?
y Maybe my uncle. / yes, a friend / Yes, there is an office for that. / my brother
= Good idea, make a date this week. Talking about it makes it lighter.
n No, I don't think so. / no, I'm ashamed / No, nobody.
= You don't have to be ashamed. Many towns have free advice for people with money worries.
! Write down what comes in and what goes out, and talk early with the people you owe.

## lost_thing | things
- stressed sad | I lost my wallet ; I can't find my wallet | losing your wallet | your wallet
- stressed sad | I lost my {object} ; I can't find my {object} | losing your {object} | your
    {object}
- angry sad | someone stole my {object} ; my {object} was stolen | your stolen {object} | your
    {object}
- angry sad | my phone was stolen ; someone stole my phone | your phone
- angry sad | someone stole my bike ; my bike was stolen | your bike
- stressed | I lost my keys ; my keys are gone | losing your keys | your keys
- sad guilty | I lost my wedding ring ; I can't find my ring | losing your ring | your ring
- stressed | I left my bag on the train ; my bag is still on the train | losing your bag | your bag
? Where did you last have it?
o At home. / in the kitchen, I think / at home, I think / In my room.
= Then look slowly, room by room. It often hides in the place you checked first.
o On the bus. / in the train / On the train. / at the station
= Call the lost and found office today. Honest people often bring things back.
o I don't know. / no idea / I can't remember. / in the city, maybe
= Close your eyes and walk through your day again, step by step. That helps to remember.
! Go back through your day step by step, and ask at the lost and found office.

## broken | home
- angry stressed | my washing machine broke ; the washing machine is broken | your washing machine
- angry stressed | my {machine} broke ; my {machine} doesn't work any more | your broken {machine} |
    your {machine}
- angry stressed | my heating doesn't work ; the heating in my flat is broken | your heating
- anxious stressed | water comes through my roof ; there is a hole in my roof | your roof
- angry | my fridge broke ; the fridge is broken | your fridge
- angry stressed | my car won't start ; my car broke down | your car
- stressed angry | my laptop broke ; my computer doesn't work any more | your computer
? Do you know someone who can repair it?
y Yes, my uncle can. / yes, a friend / I called someone. / yes, my neighbour
= Good. Then help is on the way, and you can take a deep breath.
n No, I don't know anyone. / no, it's too expensive / No idea.
= Ask your neighbours, they often know someone good and not too expensive.
= That's annoying. Maybe there is a repair cafe near you, people help for free there.
! Take a photo of the problem and ask two people for a price before you decide.

## neighbours | home
- angry tired | my neighbours play loud music at night ; my neighbours are so loud | your loud
    neighbours
- angry stressed | someone is drilling in the house all day ; they are building next door | the
    noise
- angry tired | my neighbour's dog barks all night ; the dog next door never stops | the dog next
    door
- angry | my neighbour parks in my place ; someone always takes my parking place | your neighbour
- stressed angry | my flatmate never cleans ; my flatmate leaves dirty plates everywhere | your
    flatmate
? Have you tried to talk about it?
y Yes, but it did not help. / yes, twice / I did. / yes, last week
= That was the right way. Try a friendly note, and then ask someone in the house for help.
n No, I don't like trouble. / no, I'm too shy / Not yet.
= Try it with a smile. Many people don't know that they disturb others.
= I understand. A short friendly note at the door is an easy start.
! Be friendly but clear, and say which hours are important for you.
"""
