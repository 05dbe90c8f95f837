"""Types of names in code by their spelling."""

import re
from collections.abc import Iterator
from functools import lru_cache

from socorpus.labeling.tasks.entities import gazetteers

EXTENSION = (
    r"(?:asp|aspx|ascx|asmx|bak|bash|bat|bin|bmp|c|cc|cfg|cgi|class|cmd|coffee|conf|config|cpp|cs|cshtml|csproj|css|csv|cxx"
    r"|dart|dat|db|dll|doc|docx|dtd|ear|ejs|elm|env|erb|erl|ex|exe|exs|f90|fxml|gem|gif|go|gradle|groovy|gz|h|haml|hpp|hs"
    r"|htm|html|hxx|ico|inc|ini|ipa|ipynb|iml|jade|jar|java|jpeg|jpg|js|json|jsp|jsx|keystore|kml|kt|less|lock|log|lua|m"
    r"|md|mdb|mk|ml|mm|mov|mp3|mp4|mkv|nib|o|pbxproj|pdb|pdf|pem|phar|php|php5|phtml|pl|plist|pm|png|po|ppt|pro|properties"
    r"|proto|ps1|psd|pug|py|pyc|pyd|pyx|qml|r|rb|rdl|res|resx|rpm|rs|rst|rtf|scala|scss|sh|sln|so|sql|sqlite|storyboard"
    r"|svc|svg|swf|swift|tar|tex|tgz|tif|tiff|toml|tpl|ts|tsv|tsx|ttf|twig|txt|vb|vbs|vcxproj|vue|war|wav|wsdl|xaml|xcodeproj"
    r"|xhtml|xib|xls|xlsm|xlsx|xml|xsd|xsl|xslt|yaml|yml|zip)"
)
"""File name extensions."""

_FILE = re.compile(rf"(?:[\w.@~$%-]*[\\/])*[\w.@$%+-]*\w\.{EXTENSION}", re.I)
_PATH = re.compile(r"(?:~|\.{1,2})?(?:/[\w.@+-]+){2,}/?|(?:[\w.@+-]+/){2,}[\w.@+-]*|[A-Za-z]:[\\/][\w.\\/ -]*")
_EXTENSION_ALONE = re.compile(rf"\.{EXTENSION}", re.I)
_VERBS = (
    "add|append|apply|attach|bind|build|calculate|call|change|check|clear|clone|close|compare|compute|convert|copy|count"
    "|create|delete|destroy|did|dispatch|do|download|draw|emit|enable|disable|execute|exec|fetch|fill|filter|find|fire"
    "|flush|format|free|from|generate|get|handle|has|hide|include|init|initialize|insert|invoke|is|join|list|load|log|make"
    "|map|merge|move|notify|on|open|parse|perform|play|pop|post|prepare|print|process|push|put|query|read|receive|redirect"
    "|reduce|refresh|register|release|reload|remove|render|replace|request|reset|resize|resolve|run|save|scan|scroll"
    "|search|select|send|serialize|set|should|show|shutdown|sleep|slice|sort|split|start|stop|str|submit|substr|subscribe"
    "|swap|test|throw|to|toggle|trigger|trim|unbind|update|upload|use|validate|view(?:Did|Will)|wait|will|with|write"
)
_VERB_CAMEL = re.compile(rf"(?:{_VERBS})(?=[A-Z\d]|View)\w*")
_VERB_SNAKE = re.compile(rf"(?:{_VERBS})_\w+")
_VERB_PASCAL = re.compile(
    r"(?:Get|Set|Add|Remove|Create|Delete|Update|Find|Load|Save|Read|Write|Open|Do|To|Try|On)[A-Z]\w*"
)
_ERROR = re.compile(r"(?:[\w.]+[.:])?[A-Z]\w*(?:Error|Exception|Fault)")

# In this order: the first that matches the whole name determines its type.
_FORMS: tuple[tuple[str, str, str], ...] = (
    ("call", "Function", r"[\w.:>$@-]*\w\s?\((?:[\w$]+(?:, ?[\w$]+)*)?\)"),
    ("quoted", "Value", r"([\"']).*\1"),
    ("number", "Value", r"[-+]?(?:\d[\d.,]*|0x[\da-fA-F]+)%?"),
    ("markup", "HTML_XML_Tag", r"</?[A-Za-z][\w:-]*\s*/?>"),
    ("annotation", "Class", r"@[A-Z]\w+"),
    ("sigil", "Variable", r"\$\w+|@[a-z]\w+"),
    ("option", "Code_Block", r"--?\w[\w-]*"),
    ("letter", "Variable", r"[a-zA-Z]"),
    ("constant", "Variable", r"[A-Z][A-Z\d]*(?:_[A-Z\d]+)+"),
    ("capitalised", "Class", r"[A-Z]\w*[a-z]\w*"),
    ("camel", "Variable", r"[a-z_]+\d*[A-Z]\w*"),
    ("snake", "Variable", r"_*[a-z][a-z\d]*(?:_[a-zA-Z\d]+)+"),
    ("types", "Class", r"(?:\w+(?:\.|::))+[A-Z]\w*[a-z]\w*"),
    ("member", "Variable", r"[\w$]+(?:(?:\.|::|->)\w+)+"),
    ("generic", "Class", r"[A-Z]\w*<[\w<>, ?]+>"),
)
_COMPILED = [(name, label, re.compile(pattern, re.S)) for name, label, pattern in _FORMS]


_LONGEST = 200
"""Characters of the longest name that is considered."""


@lru_cache(maxsize=1 << 16)
def form(code: str) -> tuple[str, str] | None:
    """Type of a name in code, and the name of the form that determined it; None if no form matches.

    `code` has no surrounding white space. Code with several words or operators is a Code_Block.
    """
    if len(code) > _LONGEST:
        return "Code_Block", "expression"
    if code.lower() in _types():
        return "Data_Type", "type name"
    if _ERROR.fullmatch(code):
        return "Error_Name", "error"
    if _EXTENSION_ALONE.fullmatch(code):
        return "File_Type", "extension"
    if _FILE.fullmatch(code) or _PATH.fullmatch(code):
        return "File_Name", "file"
    for name, label, pattern in _COMPILED:
        if pattern.fullmatch(code):
            last = re.split(r"\.|::|->", code)[-1]
            if label in ("Variable", "Class") and name not in ("annotation", "sigil") and is_verb(last):
                return "Function", "verb"
            return label, name
    if re.search(r"[\s=;{}<>+*|()\[\]]", code):
        return "Code_Block", "expression"
    return None


_IN_TEXT = re.compile(
    r"(?<![\w.@#$:/\\-])(?:(?:[A-Za-z]:|~|\.{1,2})?[\\/])?(?:[\w.@+-]+[\\/])*"
    rf"[\w@$+-]*\w(?:\.[\w-]+)*\.{EXTENSION}(?![\w(/\\-]|\.\w)"
    r"|(?<![\w.@#$:/\\<-])(?:~|\.{1,2})?(?:/[\w.@+-]+){2,}/?|(?<!\w)[A-Za-z]:\\[\w.\\-]*"
)
_NO_FILES = re.compile(r"(?:[ie]\.[eg]|[aA]\.[kK]|p\.s|P\.S|node\.js|\w{1,12}\.JS|\d[\d.]*\w)", re.I)


_DOT_FILES = frozenset(
    (".htaccess", ".gitignore", ".git", ".svn", ".env", ".bashrc", ".bash_profile", ".profile", ".npmrc", ".vimrc")
)


def file_names(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of apparent file names and paths in text[start:end]."""
    for match in _IN_TEXT.finditer(text, start, end):
        if not _NO_FILES.fullmatch(match[0]):
            yield match.span()


def is_extension(text: str) -> bool:
    """Whether a text is a file name extension with its dot, such as `.png`; also a dot file, such as `.htaccess`."""
    return bool(_EXTENSION_ALONE.fullmatch(text)) or text in _DOT_FILES


def is_verb(name: str) -> bool:
    """Whether a name begins with a verb, like those of functions: `getName`, `to_s`, `CreateObject`."""
    return bool(_VERB_CAMEL.fullmatch(name) or _VERB_SNAKE.fullmatch(name) or _VERB_PASCAL.fullmatch(name))


@lru_cache(maxsize=1)
def _types() -> frozenset[str]:
    return gazetteers.names_of("Data_Type")
