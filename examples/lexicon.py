"""A lexicon of your own: how people call an answer out of date in another language, here in a little French.

    socorpus labeling apply corpus --task obsolescence --plugin examples/lexicon.py

Answers of a language without a lexicon get no label from what is said of them. Ours is English.
"""

from socorpus.labeling import lexicon

# Each phrase is a regular expression for whole words, in any case; a space stands for any white space.
FRENCH = lexicon(
    # The language as the signal `language` names it.
    "fr",
    cue=[
        "obsol[eè]tes?",
        "dépréciée?s?",
        "n[e'] ?(?:\\w+ )?(?:fonctionne|marche|existe) plus",
        "(?:a|ont) été supprimée?s?",
    ],
    still=["(?:fonctionne|marche) (?:encore|toujours)"],
    negation=["pas", "jamais", "aucun"],
    supposed=["si", "peut-être", "sera", "serait"],
    asked=["est-ce que", "savez-vous"],
    denial=["non", "c'est faux"],
    confirmation=["oui(?:, .*)?"],
    itself=["cette (?:réponse|solution|méthode)", "votre (?:réponse|code)"],
    pronoun=["cela", "ceci", "ça", "c'"],
    replacement=["utilise[zr]", "à la place"],
)
