"""Word lists that fill the ``{slots}`` of the tables.

Jobs, pets, objects, machines and school subjects start with a consonant sound, so that "a {slot}"
is always right; all that a table calls "my {slot}" is singular.
"""

from random import Random


def _words(text: str) -> list[str]:
    """Split a comma-separated list; line breaks count as blanks."""
    return [" ".join(word.split()) for word in text.split(",")]


NAMES = _words("""
    Adam, Ada, Agnes, Alan, Albert, Alex, Alice, Alma, Amir, Amy, Ana, Andre, Andrea, Angela, Anna,
    Anton, Arthur, Asha, Aya, Barbara, Beatrice, Ben, Bianca, Bill, Boris, Brian, Bruno, Carl,
    Carla, Carlos, Carmen, Caroline, Cecilia, Charlotte, Chen, Chloe, Chris, Clara, Claire, Colin,
    Dana, Daniel, Daria, David, Diana, Diego, Dora, Edith, Edward, Elena, Eli, Elias, Elif, Elisa,
    Ella, Emil, Emily, Emma, Eric, Erika, Eva, Fabian, Farah, Fatima, Felix, Fiona, Frank, Fred,
    Frieda, Gabriel, George, Gina, Grace, Greta, Hana, Hannah, Harry, Hassan, Helen, Henry, Hugo,
    Ian, Ibrahim, Ida, Igor, Ines, Ingrid, Irene, Iris, Isabel, Ivan, Jack, Jacob, Jamal, James,
    Jan, Jane, Jasmin, Jenny, Joan, Joe, John, Jonas, Jorge, Joseph, Julia, Julian, Karen, Karim,
    Karl, Kate, Katya, Kevin, Kim, Klara, Laila, Lara, Laura, Lea, Leo, Leon, Liam, Lily, Linda,
    Lisa, Louis, Lucas, Lucy, Luis, Luke, Maja, Marco, Maria, Marie, Mark, Marta, Martin, Mary,
    Mateo, Matthew, Maya, Mehmet, Mia, Michael, Miguel, Mila, Mira, Mona, Nadia, Nancy, Nick, Nina,
    Noah, Nora, Olga, Oliver, Olivia, Omar, Oscar, Otto, Pablo, Paul, Paula, Pedro, Peter, Petra,
    Philip, Priya, Rachel, Ralph, Raj, Rita, Robert, Rosa, Ruth, Sam, Samira, Sara, Sarah, Simon,
    Sofia, Sonja, Stefan, Sue, Susan, Tara, Teresa, Theo, Thomas, Tim, Tina, Tom, Tomas, Uma, Vera,
    Victor, Wanda, Wei, William, Yara, Yasmin, Yuki, Zara, Zoe,
    Aaliyah, Abby, Abdul, Abigail, Adele, Adriana, Agnieszka, Ahmed, Aidan, Aisha, Akira, Alejandro,
    Aleksei, Alessia, Ali, Alina, Amara, Amelia, Amina, Anders, Anita, Anjali, Anouk, Antonio, Anya,
    Ariana, Arjun, Armin, Arnold, Asger, Ashley, Astrid, Aurora, Austin, Ava, Azra, Bashir, Becky,
    Bella, Benjamin, Bernard, Beth, Bjorn, Bob, Brandon, Brenda, Brooke, Bruce, Caleb, Camila,
    Cameron, Candice, Casey, Catherine, Cedric, Chantal, Chiara, Christian, Christina, Cindy,
    Connor, Craig, Cynthia, Damian, Danielle, Danny, Darren, Dave, Dean, Deborah, Denise, Dennis,
    Derek, Destiny, Dilara, Dmitri, Dominic, Donna, Dorothy, Doug, Dylan, Ebony, Eddie, Edgar,
    Eduardo, Eileen, Elaine, Eleanor, Elijah, Elizabeth, Ellie, Elsa, Enrique, Erin, Esra, Ethan,
    Eugene, Evan, Evelyn, Faith, Fatou, Fernando, Flora, Florian, Francesca, Francis, Freya, Gary,
    Gavin, Georgia, Gerald, Giulia, Gloria, Gordon, Graham, Gustav, Hailey, Hamza, Harold, Heather,
    Heidi, Henrik, Holly, Hope, Howard, Hiroshi, Imani, Imran, Ivy, Jackie, Jacqueline, Jade, Jake,
    Janet, Jason, Javier, Jay, Jean, Jeff, Jennifer, Jeremy, Jessica, Jill, Jin, Joanna, Jodie,
    Johan, Jordan, Jose, Josh, Joy, Juan, Judith, Julie, June, Justin, Kai, Kamal, Katrin, Kayla,
    Keith, Kelly, Ken, Khalid, Kiran, Kofi, Kristina, Kyle, Lamar, Lars, Latoya, Lauren, Layla, Lee,
    Leila, Lena, Leonardo, Leslie, Lewis, Li, Logan, Lola, Lorenzo, Lorna, Louise, Lucia, Luna,
    Lydia, Mackenzie, Madison, Magnus, Malik, Mandy, Manuel, Marcus, Margaret, Mariam, Mario,
    Marina, Mason, Matilda, Maureen, Max, Megan, Mei, Melanie, Melissa, Mick, Miles, Minh, Miriam,
    Mohamed, Molly, Monica, Morgan, Mustafa, Naomi, Natalia, Natasha, Nathan, Neil, Nia, Niamh,
    Nicolas, Nicole, Nigel, Nikolai, Nisha, Norman, Oleg, Otis, Owen, Pamela, Patricia, Patrick,
    Pavel, Penny, Phoebe, Pia, Pierre, Quentin, Rafael, Rahul, Ramona, Randy, Raphael, Ravi, Ray,
    Rebecca, Reggie, Renata, Ricardo, Richard, Rick, Riley, Robin, Roger, Rohan, Roman, Ron, Rosie,
    Ross, Roy, Ruby, Ryan, Sabine, Sally, Salma, Samantha, Samuel, Sandra, Sanjay, Santiago, Sasha,
    Scott, Sean, Sebastian, Selina, Serena, Sergei, Shannon, Sharon, Shaun, Sheila, Shirley, Sienna,
    Sigrid, Silvia, Sita, Skye, Sophie, Stacy, Stella, Steve, Stuart, Summer, Sven, Sydney, Tamara,
    Tanya, Tariq, Taylor, Ted, Terry, Thea, Tiffany, Tobias, Todd, Tony, Tracy, Trevor, Tyler,
    Ulrich, Ursula, Valentina, Vanessa, Veronica, Vijay, Vikram, Vincent, Violet, Viviana, Vlad,
    Walter, Wendy, Will, Wolfgang, Xavier, Ximena, Yannick, Yolanda, Yosef, Youssef, Yusuf, Yvonne,
    Zack, Zainab, Zelda, Zoltan, Zuri
""")

TOWNS = _words("""
    Amsterdam, Ankara, Athens, Auckland, Austin, Bangkok, Barcelona, Basel, Beijing, Belfast,
    Berlin, Bern, Bologna, Bordeaux, Boston, Brisbane, Bristol, Brussels, Bucharest, Budapest,
    Cairo, Cape Town, Chicago, Cologne, Copenhagen, Cork, Dakar, Dallas, Delhi, Denver, Dresden,
    Dublin, Edinburgh, Florence, Frankfurt, Galway, Geneva, Genoa, Glasgow, Graz, Hamburg, Hanoi,
    Helsinki, Istanbul, Jakarta, Kyiv, Krakow, Kyoto, Lagos, Leeds, Leipzig, Lima, Lisbon,
    Liverpool, London, Lyon, Madrid, Manchester, Manila, Marseille, Melbourne, Milan, Montreal,
    Moscow, Mumbai, Munich, Nairobi, Naples, New York, Osaka, Oslo, Oxford, Palermo, Paris, Porto,
    Prague, Quito, Riga, Rome, Rotterdam, Salzburg, San Diego, Santiago, Seattle, Seoul, Seville,
    Shanghai, Singapore, Stockholm, Stuttgart, Sydney, Tallinn, Tokyo, Toronto, Turin, Utrecht,
    Valencia, Vancouver, Venice, Vienna, Vilnius, Warsaw, York, Zagreb, Zurich
""")

SLOTS: dict[str, list[str]] = {
    "name": NAMES,
    "town": TOWNS,
    "number": [str(number) for number in range(2, 100)],
    "country": _words("""
        Argentina, Australia, Austria, Belgium, Brazil, Canada, Chile, China, Cuba, Denmark, Egypt,
        Finland, Greece, Hungary, Iceland, India, Ireland, Japan, Kenya, Korea, Malta, Mexico,
        Morocco, Norway, Peru, Poland, Portugal, Romania, Scotland, Spain, Sweden, Switzerland,
        Thailand, Turkey, Vietnam, Wales
    """),
    "colour": _words("""
        blue, red, green, yellow, orange, purple, pink, black, white, brown, grey, gold, silver
    """),
    "food": _words("""
        pizza, pasta, soup, rice, bread, cheese, chocolate, ice cream, salad, fish, curry, sushi,
        apple cake, chicken, fruit salad, tomato soup, lentil soup, fried rice, goulash, lasagne,
        risotto, stew, couscous, hummus, porridge, chocolate cake, carrot cake, cheesecake, banana
        bread, onion soup, pumpkin soup, potato salad, roast beef, spaghetti, tofu, chili
    """),
    "hobby": _words("""
        reading, painting, dancing, singing, cooking, baking, swimming, running, hiking, fishing,
        sewing, knitting, drawing, gardening, climbing, skating, playing chess, playing cards,
        taking photos, writing stories, collecting stamps, riding horses, sailing, skiing, cycling,
        yoga, pottery, woodwork, juggling, surfing, diving, camping, bird watching, origami,
        building models, making jewellery, playing video games, writing poems
    """),
    "music": _words("""
        rock, jazz, pop, classical music, rap, folk music, piano music, dance music, blues, soul,
        reggae, opera, metal, country music, film music
    """),
    "instrument": _words("""
        guitar, piano, violin, flute, trumpet, cello, harp, saxophone, clarinet, trombone
    """),
    "pet": _words("""
        dog, cat, rabbit, hamster, bird, horse, parrot, turtle, pony, goat, sheep, chicken, duck,
        kitten, puppy, mouse, guinea pig, donkey, lizard, snake, pig, cow, poodle, goose
    """),
    "sport": _words("""
        football, tennis, basketball, handball, volleyball, hockey, golf, cricket, rugby, baseball,
        badminton, table tennis, water polo
    """),
    "subject": _words("""
        maths, history, biology, chemistry, physics, French, Spanish, Latin, geography,
        music, religion, science, German, grammar, law, statistics, philosophy
    """),
    "kin": _words("""
        sister, brother, mother, father, cousin, aunt, uncle, grandmother, grandfather, niece,
        nephew, stepfather, stepmother, mum, dad, grandma, grandpa, best friend, husband, wife,
        girlfriend, boyfriend, neighbour, godmother, twin brother, twin sister, partner
    """),
    "object": _words("""
        bag, ring, watch, camera, book, jacket, coat, hat, scarf, backpack, passport, necklace,
        bracelet, wallet, purse, phone, laptop, tablet, bike, ball, toy, guitar, violin, suitcase,
        notebook, diary, pen, key, ticket, helmet, football, sweater, dress, blanket, cup, lamp,
        chair, tent, radio, skateboard, scooter, mirror, teddy bear, pillow, dictionary, knife
    """),
    "machine": _words("""
        washing machine, fridge, car, laptop, computer, phone, printer, coffee machine, dishwasher,
        heater, TV, radio, bike, motorbike, scooter, camera, toaster, shower, boiler,
        microwave, tablet, freezer, lawn mower, vacuum cleaner, sewing machine, hair dryer, stove
    """),
    "body": _words("""
        back, head, knee, foot, leg, arm, hand, shoulder, neck, finger, wrist, elbow, toe, hip, ear,
        thumb, chin, nose, heel
    """),
    "season": _words("spring, summer, autumn, winter"),
    "day": _words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "drink": _words("""
        tea, coffee, water, apple juice, orange juice, hot chocolate, milk, lemonade, green tea,
        tomato juice, lemon tea, cocoa, mint tea
    """),
    "language": _words("""
        English, Spanish, French, German, Italian, Chinese, Japanese, Arabic, Russian, Turkish,
        Greek, Polish, Dutch, Swedish, Hindi, Korean, Portuguese
    """),
    "job": _words("""
        teacher, nurse, cook, student, driver, doctor, farmer, baker, gardener, writer, waiter,
        plumber, painter, carpenter, lawyer, pilot, dentist, hairdresser, mechanic, librarian,
        journalist, musician, photographer, programmer, secretary, cashier, cleaner, postman,
        butcher, fisherman, tailor, translator, vet, builder, firefighter, policeman, salesman,
        scientist, midwife, welder
    """),
    "years": _words(
        "two, three, four, five, six, seven, eight, nine, ten, twelve, fifteen, twenty"
    ),
}

ONSETS = _words(
    "B, Br, D, Dr, F, G, H, J, K, Kr, L, M, N, P, R, S, Sh, T, Tr, V, W, Y, Z, A, E, I, O, U"
)
NUCLEI = _words("a, e, i, o, u, ai, ee, ia, oo, an, el, ir, en, or, al, il, un")
CODAS = _words(
    "n, l, r, s, m, t, ra, na, la, ro, nie, ka, ko, mi, ya, ny, ton, vin, lyn, dor, x, go"
)


def invented_name(rng: Random) -> str:
    """Return a name that no list has, so that names are copied rather than known."""
    middle = rng.choice(NUCLEI)
    return rng.choice(ONSETS) + middle + rng.choice(CODAS)
