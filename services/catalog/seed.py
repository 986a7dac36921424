"""The items that a new catalogue starts with: a small shop for people who cook outdoors."""

from decimal import Decimal

ITEMS: list[tuple[str, str, Decimal, int]] = [
    (name, description, Decimal(price), stock)
    for name, description, price, stock in [
        ("Enamel mug", "Holds 350 ml and survives a campfire.", "9.50", 120),
        ("Enamel mug, large", "Holds 500 ml.", "11.50", 64),
        ("Titanium mug", "Folding handles, 98 g.", "34.00", 22),
        ("Insulated bottle", "Keeps a litre hot for 18 hours.", "32.90", 41),
        ("Insulated bottle, small", "Half a litre, fits a bicycle's cage.", "24.90", 57),
        ("Water filter", "Hollow fibre, cleans 2 litres a minute.", "59.00", 18),
        ("Folding water canister", "Ten litres, flat when empty.", "14.75", 33),
        ("Gas stove", "Boils a litre in four minutes.", "44.95", 26),
        ("Gas cartridge 230 g", "Butane and propane, self-sealing.", "6.20", 340),
        ("Gas cartridge 450 g", "Butane and propane, self-sealing.", "9.80", 210),
        ("Alcohol stove", "Brass, with a simmer ring.", "19.00", 37),
        ("Wood stove", "Folds flat and burns twigs.", "49.50", 9),
        ("Wind shield", "Five hinged aluminium panels.", "12.40", 75),
        ("Fire steel", "Good for 12,000 sparks, wet or dry.", "13.90", 88),
        ("Storm matches", "25 in a waterproof tube.", "4.60", 260),
        ("Cook pot 1.5 l", "Hard-anodised aluminium, with a lid.", "36.00", 30),
        ("Cook pot 2.5 l", "Hard-anodised aluminium, with a lid.", "45.00", 17),
        ("Cast-iron pan", "24 cm, seasoned and heavy.", "29.95", 21),
        ("Dutch oven", "Four litres, stands in the embers.", "74.00", 8),
        ("Grill grate", "Stainless steel, packs into a sleeve.", "27.30", 28),
        ("Spork", "Titanium, 17 g.", "8.90", 190),
        ("Cutlery set", "Knife, fork and spoon on a ring.", "12.00", 95),
        ("Pocket knife", "Carbon steel with a beech handle.", "15.50", 110),
        ("Cutting board", "Bamboo, with a groove for the juice.", "10.80", 46),
        ("Coffee dripper", "Spring steel, sits on any mug.", "16.40", 52),
        ("Hand grinder", "Conical burr, 20 g of beans.", "62.00", 14),
        ("Spice box", "Six tins in a leather roll.", "38.50", 12),
        ("Tea towel", "Linen, dries while you walk.", "7.90", 84),
        ("Head torch", "400 lumens, red light for the tent.", "39.90", 39),
        ("Dry bag 20 l", "Roll top, floats.", "18.60", 0),
    ]
]
