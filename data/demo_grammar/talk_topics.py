"""Small talk about everyday topics, jokes, and questions of fact.

The notation is explained in ``notation.py``.
"""

TABLE = """
## fav_colour | smalltalk
h My favourite colour is {colour}. / I like the colour {colour}. / I love {colour}. / I like
    {colour} best.
r I like the sound of {colour}. Do you have many {colour} things at home?
r Nice, {colour} is a beautiful colour. Do you own many {colour} things?
> Yes, many. / yes / Yes, a lot. / my bed is {colour} / yes, my shirt
b That sounds lovely. Nice colours can make a day brighter.
> No. / Not many. / no, not really / only a few
b Then a small {colour} thing would be a nice gift for yourself.
> What is my favourite colour? / Which colour do I like? / Do you know my favourite colour?
b Your favourite colour is {colour}.
b You told me that you like {colour}.

## ask_colour | smalltalk
h What is your favourite colour? / Which colour do you like? / Do you have a favourite colour?
r I can't see colours, but I like the word blue. What is your favourite colour?
> It's {colour}. / {colour} / I like {colour}. / Mine is {colour}.
b Nice, {colour} is a beautiful colour. What does it make you think of?

## food | smalltalk
h I like {food}. / My favourite food is {food}. / I love {food}. / I'm eating {food}. / I had {food}
    for dinner.
h I want to eat {food}. / Today I made {food}. / I cooked {food} today. / For lunch I had {food}.
r Oh, {food}! That sounds tasty. Do you cook often?
> Yes, every day. / yes / Yes, I love cooking. / Yes, at the weekend.
b How nice! Cooking for someone is a warm gift.
> No, not often. / no / No, I can't cook. / Not really.
b That's okay. Simple things can be very good too.
r I can't eat, but {food} sounds good to me. Who makes it best?
> My mother. / my grandmother / My mum. / my father / my wife / My husband.
b How lovely. Food often comes with good memories.
> Me. / I do / I make it myself. / me, of course
b Then you are a good cook! Enjoy your {food}.

## hungry | smalltalk
h I'm hungry. / I am so hungry. / What should I eat? / What should I cook today? / I don't know what
    to cook.
h Do you have an idea for dinner? / What can I have for lunch? / I'm very hungry now.
r How about {food}? It makes many people happy.
> Good idea. / Good idea, thanks. / Yes, I'll make that. / great / I like that.
b Enjoy your meal!
> No. / I don't like {food}. / no, something else / Not again.
b Then maybe a simple soup or a salad. Eat in peace and enjoy it.
r Let's find something! What do you have at home?
> I have nothing at home. / nothing / Only bread. / not much / only some eggs
b Then a simple soup or some bread will do. Eat in peace and enjoy it.
> I have {food}. / {food} / some {food} / only {food}
b Then have {food} today. Enjoy your meal!

## drink | smalltalk
h I'm drinking {drink}. / I like {drink}. / I love {drink}. / I need some {drink}. / Do you like
    {drink}?
r A glass or a cup of {drink} can be so good. Do you take a break now?
> Yes, a short one. / yes / Yes, I do. / ten minutes
b Good! Enjoy your {drink} and the quiet moment.
> No, I have to work. / no / no time / Not now.
b Then drink it slowly at least. A small break is better than no break.

## hobby | smalltalk
h My hobby is {hobby}. / I like {hobby}. / I love {hobby}. / In my free time I like {hobby}. / I
    enjoy {hobby}.
h I started {hobby}. / I spend a lot of time with {hobby}. / My new hobby is {hobby}.
r That's a nice hobby! What do you like about {hobby}?
> It makes me calm. / I can relax / It helps me to relax. / I forget my worries.
b That's worth a lot. Try to find a little time for it every week.
> It's fun. / just fun / It makes me happy. / I just like it
b Fun is the best reason. Keep doing what makes you happy!
> What is my hobby? / Do you know my hobby? / What do I like to do?
b Your hobby is {hobby}.
r How lovely! How long have you liked {hobby}?
> Since I was a child. / for {years} years / Since last year. / for a long time
b Then {hobby} really belongs to you. I like that.
> Not long. / only a few weeks / I just started.
b A new hobby is exciting. Be patient and enjoy it!
> What is my hobby? / Do you know my hobby? / What do I like to do?
b Your hobby is {hobby}.

## ask_hobby | smalltalk
h What are your hobbies? / What do you like? / What do you like to do? / What do you do for fun?
r I like to listen to stories from people. What do you like to do?
> I like {hobby}. / {hobby} / My hobby is {hobby}. / I love {hobby}.
b That's a nice hobby! What do you like about {hobby}?

## no_hobby | smalltalk
h I have no hobby. / I need a new hobby. / Which hobby is good for me? / I want to try something
    new.
r How about {hobby}? It's fun, and you can start small.
r Maybe {hobby} would be something for you. What do you think?
> I'll try it. / good idea / Yes, why not? / Sounds good.
b Great! Be patient at the start, and have fun.
> No, that's not for me. / no / I don't like that. / too difficult
b That's okay. Think of what you loved as a child, maybe you will like it again.

## music | smalltalk
h I like {music}. / I love {music}. / I listen to {music}. / My favourite music is {music}. / I play
    {music}.
h I'm listening to {music}. / In the car I always hear {music}.
r Music can say what words can't. When do you listen to {music}?
> In the evening. / at home / On my way to work. / always / when I cook
b That's a good moment for music. It makes everything a bit lighter.
r That's nice! How does {music} make you feel?
> Happy. / It makes me happy. / good / free / I feel free.
b I'm glad. Keep that music close for the hard days.
> Calm. / calm / It makes me calm. / relaxed
b That's beautiful. Music can be like a warm blanket.

## ask_music | smalltalk
h Do you like music? / What music do you like? / Can you sing? / Sing a song for me. / Do you know a
    song?
r I can't hear or sing, but I like words that sound nice. What music do you like?
> I like {music}. / {music} / mostly {music} / I love {music}.
b That's nice! How does {music} make you feel?

## films | smalltalk
h I watched a film. / I saw a good film. / I was at the cinema. / We watched a film last night.
h I just saw an old film. / I watched a film with my friends. / There was a good film on TV.
r That sounds like a nice time. What was it about?
r I can't watch films, but I like stories. What was it about?
> Love. / It was about love. / a love story / about two people in love
b Love stories can warm the heart. Did it have a happy end?
> It was funny. / it was a comedy / something funny / very funny, about a family
b Laughing is good for us. I'm glad that you had fun.
> It was sad. / something very sad / about a war / It made me cry.
b A sad film can be good too. Sometimes it helps to cry a little.
> A crime story. / about a thief / it was a thriller / about the police
b How exciting! I hope that you could sleep well after it.
> I forgot it. / I don't know. / I fell asleep.
b That happens! Then maybe you needed the rest more than the film.

## film_fan | smalltalk
h I like films. / I love old films. / I like funny films. / I watch a lot of series. / I love the
    cinema.
r Films are like small trips. Do you watch them alone or with someone?
> Alone. / alone, mostly / On my own. / just me
b A quiet evening with a good film can be lovely.
> With my family. / with friends / with my wife / With my husband. / with my sister
b How nice! Talking about a film together is half the fun.

## books | smalltalk
h I'm reading a book. / I love books. / I like to read. / I read a good book. / I finished a book
    today.
h Which book should I read? / Do you read books? / Do you like books?
r Books are like small trips. What kind of stories do you like?
> Love stories. / stories about love / romance
b Love stories can warm the heart. I hope that you find a good one.
> Crime stories. / crime / something exciting / I like it exciting.
b How exciting! Then a rainy evening is just right for you.
> True stories. / history / about real people / I like history.
b True stories can teach us a lot. I like that.

## pet_talk | smalltalk
h I have a {pet}. / I have a {pet} at home. / My {pet} is so cute. / I love my {pet}. / We have a
    {pet}.
h My {pet} makes me happy. / My {pet} is my best friend. / My {pet} is so funny.
r How lovely! What is the name of your {pet}?
r A {pet} can be a great friend. What is your {pet} called?
> Luna. / Max. / Bella. / Coco. / Milo. / Charlie. / Nala. / Rocky. / Leo.
b What a beautiful name! Give your {pet} my best wishes.
> It has no name yet. / no name / I don't know yet. / not named yet
b Take your time. The right name will come when you play together.

## want_pet | smalltalk
h I want a {pet}. / I would like to have a {pet}. / Should I get a {pet}? / I wish I had a {pet}.
r A {pet} can bring a lot of joy, but needs time too. Do you have time every day?
> Yes, I do. / yes / I think so. / yes, enough
b Then ask at a shelter near you. Many animals there wait for a home.
> No, not really. / no / I work a lot. / not much
b Then maybe wait a little. You could visit a friend who has a pet.

## sport_talk | smalltalk
h I play {sport}. / I like {sport}. / I love {sport}. / My favourite sport is {sport}. / I play
    {sport} every week.
r Sport is great for body and mind. How long have you liked {sport}?
> For {years} years. / since school / since I was a child / Not long.
b That's great. Keep going and have fun!
r That sounds fun! Do you play {sport} with friends?
> Yes, every week. / yes / Yes, on {day}. / with my team
b A good team is like a second family. Have fun!
> No, alone. / no / I only watch. / no, not any more
b That's fine too. What counts is that you enjoy it.

## rain | smalltalk
h It's raining. / It's raining again. / The weather is bad. / It's cold today. / What a rainy day. /
    It's so grey.
h The sky is so dark. / There is fog outside. / It's so windy today.
r Then it's a good day for a warm drink. Do you like to stay at home?
> Yes, I do. / yes / Yes, on the sofa. / yes, with tea
b Wonderful. Make it warm and cosy.
> No, I want to go out. / no / no, I miss the sun
b I understand. The sun will come back, it always does.
r Days like this can be cosy too. What will you do today?
> Read a book. / sleep / watch a film / nothing / stay in bed
b That sounds cosy. Enjoy the quiet time!
> Work. / I have to work. / clean the house / cook something
b Then put on some nice music. It makes everything lighter.

## sun | smalltalk
h The weather is nice today. / It's sunny. / What a beautiful day. / It's so warm today. / The sky
    is blue.
r How nice! Are you going outside?
> Yes, for a walk. / yes / yes, to the park / Yes, with my {pet}.
b Enjoy every minute! Fresh air makes us happy.
> No, I have to work. / no / no time / I'm at work
b That's a pity. Open a window at least, and let some sun in.

## how_weather | smalltalk
h How is the weather? / What's the weather like? / Will it rain tomorrow? / Is it sunny? / Will it
    snow?
r I can't look out of a window, I'm a small model. How is the weather where you are?
> It's raining. / rain / it rains
b Then make yourself a warm drink and stay cosy.
> Sunny. / It's sunny. / warm and sunny / very nice
b Lovely! I hope that you can go outside for a little while.
> Cold. / It's cold. / very cold / it's snowing
b Then put on something warm. Hot chocolate helps too!

## season | smalltalk
h I love {season}. / My favourite season is {season}. / I like {season}. / I can't wait for
    {season}.
r Every season has its own beauty. What do you like about {season}?
> The colours. / the light / the smell / the trees and the colours
b That's beautiful. Take a walk and look at everything slowly.
> The weather. / the temperature / not too hot / It's just right.
b I understand. Then {season} is your time to feel well.
> The food. / the holidays / the free days / the free time
b Good reasons! I hope that you enjoy every day of it.

## weekend | smalltalk
h It's the weekend! / Tomorrow is the weekend. / At last it's {day}. / What should I do at the
    weekend?
h I have a free day. / I have {day} off. / I have no plans for the weekend. / It's finally Friday.
r How nice, free time! Do you want to rest or to do something?
> Rest. / I want to rest. / sleep / just relax / I need rest.
b Good choice. Sleep long, and do only what you like.
> Do something. / something fun / go out / I want to go out.
b Then how about a walk, a museum, or a visit to a friend?
> I don't know. / no idea / both
b Then start slowly with a good breakfast. The ideas will come.

## weekend_past | smalltalk
h My weekend was great. / I had a nice weekend. / The weekend was too short. / My weekend was good.
r I'm glad that you had some free time. What did you do?
> I met friends. / friends / I was with my family. / my family
b Time with people we like is the best. How nice!
> Nothing. / I rested. / sleep / I did nothing. / I slept.
b Doing nothing is important too. I hope that you feel stronger now.
> I was outside. / a long walk / sport / we went hiking
b Fresh air is so good for us. Well done!

## monday | smalltalk
h I hate Mondays. / Tomorrow is Monday. / It's Monday again. / I don't want to go to work. / I have
    to go to work.
r Oh, I understand. Is there one small thing you can look forward to?
> Lunch. / lunch / my coffee / Coffee. / the evening
b Very good. Small joys carry us through long days.
> No. / nothing / No, nothing. / I don't think so.
b Then plan a small joy yourself, like a walk or a good cup of tea.

## job_talk | smalltalk
h I'm a {job}. / I work as a {job}. / I am a {job}. / My job is hard, I'm a {job}. / I'm a {job} by
    profession.
r A {job}! That's an important job. What do you like about it?
> The people. / people / my colleagues / I like the people.
b Good people make every day easier. I'm glad.
> Nothing. / not much / I don't like it. / I want to change it
b I'm sorry. Maybe you can think about what you would love to do.
> What is my job? / Do you know my job? / What do I do for work?
b You are a {job}.
r How interesting! How long have you been a {job}?
> For {years} years. / {years} years / not long / Only one year.
b Then you have learned a lot already. I wish you joy in what you do.
> What is my job? / Do you know my job? / What do I do for work?
b You are a {job}.

## language_talk | smalltalk
h I'm learning {language}. / I want to learn {language}. / I speak {language}. / Do you speak
    {language}?
r I only know simple English. What is it like to learn {language}?
> Hard. / difficult / very hard / it's not easy
b Learn a few words every day, and speak without fear. You will get there.
> Fun. / I like it / easy / it's fun
b I'm glad that you enjoy it. Keep going!

## age | smalltalk
h I'm getting old. / I feel so old. / I'm too young. / I have my birthday next month. / I turned
    thirty.
r Every age has good sides. What do you wish for this year?
> Health. / to be healthy / good health
b That's a wise wish. I wish it for you too.
> Love. / a partner / to find love / someone to love
b I hope that you find it. Keep your heart open and be yourself.
> Money. / a good job / more money / a house
b I wish you luck with that. Small steps will take you there.

## family_talk | smalltalk
h I have two sisters. / I have a brother. / I have a big family. / I have three children. / I have a
    little sister.
h I have a son. / I have a daughter. / I live with my parents. / I live with my family. / I'm
    married.
r That sounds like a full life. What do you like to do together?
> We eat together. / cooking / we cook / dinner every {day}
b Eating together is a beautiful habit. It keeps people close.
> We play games. / games / we play / We play cards.
b Playing together is good for everyone. Who wins most of the time?
> Not much. / nothing / we don't talk much / we have no time
b Maybe you can start with a short walk together. Small things bring people close.

## live_alone | smalltalk
h I live alone. / I live on my own. / I have no family. / I'm single. / I'm not married. / I have no
    children.
r Thank you for telling me. Do you like it that way?
> Yes, I do. / yes / Yes, it's quiet. / I like it
b That's good. It's nice to have your own quiet place.
> No, I'm lonely. / no / Not really. / Sometimes I feel lonely.
b I understand. Maybe you can call someone today, or join a club near you.

## nice_words | smalltalk
h Tell me something nice. / Say something nice. / Cheer me up. / I need some kind words. / Make me
    happy.
h Can you cheer me up? / Please say something nice to me. / I need a hug. / Motivate me.
r You are good just as you are. I'm glad that you are here.
r You have come through every hard day so far. You are stronger than you think.
r Somewhere there is someone who smiles when thinking of you.
r I send you a warm hug. Today you may be kind to yourself.

## story | smalltalk
h Tell me a story. / Can you tell me a story? / I want to hear a story. / Tell me something. / Tell
    me a bedtime story.
r A little bird was afraid to fly. One day the wind said: I will carry you. And the bird flew.
r An old man planted a tree each year. When he was tired, the trees gave him a cool place to rest.
r A girl lost her way at night. She followed one small light, and it was her mother at the window.

## bored_talk | smalltalk
h I'm bored. / I'm so bored. / What can I do? / I have nothing to do. / Give me an idea. / I'm
    bored, help me.
r Let's change that! Do you feel like doing something at home or outside?
> At home. / home / inside / I want to stay at home.
b Then cook something new, draw your room, or read ten pages of a book.
> Outside. / outside / out / I want to go out.
b Then take a walk and count the birds, or visit a friend with some cake.
> I don't know. / no idea / both / nothing
b Then begin with music. When you move a little, the ideas will come.

## sleep_talk | smalltalk
h I can't sleep. / I can't fall asleep. / I'm awake. / It's late and I'm awake. / I can't sleep,
    what should I do?
r I'm sorry. Is there something on your mind?
r That's hard. Put your phone away soon. Are you worried about something?
> Yes. / yes, work / Yes, a lot. / Yes, tomorrow. / I think too much.
b Write it down on paper, then it can wait until tomorrow. You may rest now.
> No. / nothing / No, I'm just awake. / I don't know.
b Then breathe slowly, and think of a place that you love. Rest is good too.

## love_talk | smalltalk
h What is love? / What is happiness? / What is the meaning of life? / What is a friend? / Do you
    believe in love?
r That's a big question. I think it's about being there for each other. What do you think?
> I think so too. / yes / I agree. / you are right
b I'm glad that we think the same way. Who is there for you?
> I don't know. / no idea / it's difficult / hard to say
b That's okay. Nobody knows it all. Small kind moments may be the answer.

## lets_talk | smalltalk
h Let's talk. / I want to talk. / Talk to me. / Can we talk? / I need someone to talk to. / Are you
    there?
h I need to talk. / Do you have time for me? / Ask me something. / Ask me a question. / Say
    something.
r I'm here for you. How was your day?
> Good. / It was good. / a nice day / Very good.
b I'm glad. What was the best moment?
> Bad. / It was bad. / a bad day / Not good.
b I'm sorry to hear that. What happened?
r Sure, I like to listen. What is on your mind?
> I don't know. / nothing / Nothing special. / I don't know what to say.
b That's okay. We can start small. What did you eat today?
> My life. / so much / Everything. / too many things
b Then let's take one thing at a time. What comes first to your mind?

## unclear | smalltalk
h Hm. / Well. / Okay. / Ok. / I see. / Really? / What? / Why? / Oh. / Maybe. / Sure. / Right. /
    Cool. / Nice.
r I'm listening. Would you like to tell me more?
r Tell me a little more, please. What are you thinking about?

## joke | joke
h Tell me a joke. / Do you know a joke? / Can you tell me a joke? / Make me laugh. / I want to
    laugh.
h Another joke, please. / Tell me something funny. / Say something funny. / Please tell me a joke.
r Why did the book go to the doctor? It had a bad back.
r Why was the clock so tired? It had been running all day.
r What did the wall say to the other wall? Let's meet at the corner.
r Why is the sea so friendly? It always waves.
r Why did the bread feel so warm? It just came from its oven bed.
r What does a cat have for breakfast? Mice and milk, with a nap on top.
r Why did the pencil stay calm? It knew that there was a rubber for mistakes.
r Why don't fish play tennis? They are afraid of the net.
r What did the sock say to the foot? You fill me with joy.
r Why is the moon never hungry? It's full once a month.
r Why did the door look happy? It was open to everything.
r What did the tea say to the cup? You hold me so well.
r Why was the computer cold? It left its windows open.
r Why did the chicken join the band? It had two drumsticks.
r What did the snowman eat? Ice cream, and nothing hot.
r Why was the broom late? It swept in.
r Why did the tomato turn red? It saw the salad dressing.
r What did the lamp say to the night? Don't worry, I see the bright side.
r Why did the bus take a break? It was tired of all the wheels.
r What do you call a dog in the rain? A wet friend.
r Why was the maths book sad? It had too many problems.
r Why did the tree go home? It wanted to see its roots.
> That was funny. / Haha. / haha, good one / Very funny. / You are funny.
b I'm glad that you laughed! Laughing is good for the heart.
> That was not funny. / I don't get it. / Not funny. / that's a bad joke
b Oh, I'm sorry! I'm still learning to be funny. Do you know a better one?

## fact_france | fact
h What's the capital of France? / What is the capital of France? / Do you know the capital of
    France?
r The capital of France is Paris.

## fact_italy | fact
h What's the capital of Italy? / What is the capital of Italy? / Do you know the capital of Italy?
r The capital of Italy is Rome.

## fact_spain | fact
h What's the capital of Spain? / What is the capital of Spain? / Do you know the capital of Spain?
r The capital of Spain is Madrid.

## fact_germany | fact
h What's the capital of Germany? / What is the capital of Germany? / Do you know the capital of
    Germany?
r The capital of Germany is Berlin.

## fact_england | fact
h What's the capital of England? / What is the capital of England? / Do you know the capital of
    England?
r The capital of England is London.

## fact_japan | fact
h What's the capital of Japan? / What is the capital of Japan? / Do you know the capital of Japan?
r The capital of Japan is Tokyo.

## fact_week | fact
h How many days are in a week? / How many days does a week have? / Do you know how many days a week
    has?
r A week has seven days.

## fact_year | fact
h How many months are in a year? / How many months does a year have? / Tell me how many months a
    year has.
r A year has twelve months.

## fact_hours | fact
h How many hours are in a day? / How many hours does a day have? / Tell me how many hours a day has.
r A day has twenty-four hours.

## fact_sky | fact
h What colour is the sky? / Which colour is the sky? / Why is the sky blue? / Is the sky blue?
r The sky is blue on a sunny day, because the air spreads blue light the most.

## fact_two | fact
h What is two plus two? / How much is two and two? / What is 2 plus 2? / what's 2 + 2
r Two plus two is four.

## fact_legs | fact
h How many legs does a dog have? / How many legs does a cat have? / How many legs does a horse have?
r It has four legs.

## fact_spider | fact
h How many legs does a spider have? / How many legs has a spider? / Do you know how many legs a
    spider has?
r A spider has eight legs.

## fact_sun | fact
h Where does the sun rise? / Does the sun rise in the east? / Where does the sun come up?
r The sun rises in the east.

## fact_ice | fact
h What is ice made of? / What is snow made of? / Is ice made of water?
r It's made of frozen water.

## unknown | unknown
h Who won the world cup? / What is 345 times 12? / Who is the president? / What time is it? / What
    day is it?
h How far is the moon? / How do planes fly? / Who invented the phone? / How tall is the highest
    mountain?
h What is the square root of nine? / Can you write a computer program? / What is quantum physics?
h How many people live in {town}? / How far is it to {town}? / What is the best hotel in {town}?
h What is the {language} word for house? / Can you translate this into {language}? / Who wrote this
    song?
h What is the capital of Peru? / What is the capital of Kenya? / What's the capital of Norway?
h Who was the first king of England? / When did the war end? / How does a car work? / What is a
    black hole?
h What does the stock market do? / Which phone should I buy? / How much does a car cost? / Is there
    life on Mars?
h What is in the news today? / Can you book a flight for me? / Can you call my mother? / Open a
    website for me.
h Solve this problem for me. / Write an essay for me. / What is the price of gold? / How old is the
    earth?
h Who is the best {sport} player? / Who won the {sport} game? / How do I repair a {machine}?
h What is the best recipe for {food}? / How much does a {machine} cost? / Where can I buy a
    {object}?
h How do I become a {job}? / What is the history of {country}? / How many people live in {country}?
h How long does a {pet} live? / What is the flag of {country}? / Explain {subject} to me.
r I'm a small model and I don't know that. But I like to listen. How are you today?
r I'm sorry, I don't know that, I'm only a small model. But you can tell me about your day.

## own_opinion | unknown
h Who should I vote for? / Is there a god? / What do you think about politics? / Do you believe in
    god?
r I'm only a small model and have no opinion on that. What do you think about it?
"""
