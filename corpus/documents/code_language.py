"""Programming language of a code block: its author's hint; without one unmistakable forms, tags, then its shape.

Names are lower-case and Pygments' own where it has the language ("python", "javascript", "c++", "bash"). Its
`guess_lexer` isn't asked: of 54 blocks that are left undecided here it names 2 rightly, at 4.5 to 18 ms a block, as
most of its lexers claim any text that holds a bracket.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

# Names in `lang-*` hints (google-code-prettify's and highlight.js's) and tags that are the language itself.
_NAMES = {
    "ada": "",
    "apex": "apex-code",
    "applescript": "",
    "assembly": "asm nasm masm",
    "autohotkey": "ahk",
    "awk": "gawk",
    "bash": "sh bsh shell zsh ksh csh",
    "batch": "bat batch-file",
    "c": "c99 c11",
    "c#": "cs csharp c#-3.0 c#-4.0 c#-5.0 c#-6.0 c#-7.0 c#-8.0 c#-9.0",
    "c++": "cpp cc cxx c++03 c++11 c++14 c++17 c++20 c++23",
    "clojure": "clj clojurescript",
    "cmake": "",
    "cobol": "",
    "coffeescript": "coffee",
    "crystal": "crystal-lang",
    "css": "css3",
    "cypher": "",
    "d": "dlang",
    "dart": "",
    "diff": "patch",
    "docker": "dockerfile",
    "elixir": "ex exs",
    "elm": "",
    "erlang": "erl",
    "f#": "fs fsharp",
    "fortran": "fortran77 fortran90",
    "glsl": "",
    "go": "golang",
    "graphql": "",
    "groovy": "",
    "haskell": "hs",
    "html": "htm html5 xhtml",
    "ini": "",
    "java": "java-7 java-8 java-11 java-17",
    "javascript": "js node node.js ecmascript-6 ecmascript-5 jsx mjs",
    "json": "",
    "julia": "",
    "kotlin": "kt",
    "less": "",
    "lisp": "common-lisp emacs-lisp elisp el",
    "lua": "luajit",
    "make": "makefile gnu-make",
    "markdown": "md",
    "mathematica": "mma wolfram-mathematica",
    "matlab": "",
    "nim": "",
    "nix": "",
    "objective-c": "objectivec objc",
    "ocaml": "ml",
    "octave": "",
    "pascal": "delphi freepascal",
    "perl": "pl",
    "php": "php-5.3 php-7 php-8",
    "powershell": "ps1 pwsh powershell-2.0 powershell-3.0 powershell-4.0 powershell-5.0",
    "prolog": "swi-prolog",
    "protobuf": "proto protocol-buffers",
    "python": "py python3 python2 python-2.x python-3.x python-2.7 python-3.5 python-3.6 python-3.7 python-3.8",
    "r": "",
    "racket": "",
    "raku": "perl6",
    "ruby": "rb",
    "rust": "rs",
    "sas": "",
    "scala": "scala-2.8",
    "scheme": "scm",
    "scss": "",
    "sass": "",
    "sed": "",
    "smalltalk": "",
    "solidity": "",
    "sparql": "",
    "sql": "mysql postgresql sqlite tsql t-sql plsql sql-server mariadb",
    "stata": "",
    "svelte": "",
    "swift": "swift2 swift3 swift4 swift5",
    "terraform": "hcl",
    "tex": "latex",
    "toml": "",
    "typescript": "ts tsx",
    "vb.net": "vb vbnet",
    "vba": "excel-vba access-vba",
    "verilog": "system-verilog",
    "vhdl": "vhd",
    "vim": "vimscript",
    "xml": "xsl xsd xaml svg",
    "xslt": "",
    "yaml": "yml",
    "zig": "",
}
# Further languages and formats of highlight.js and Pygments: names of hints only, as tags they mean other things too.
_FURTHER = {
    "abap": "",
    "actionscript": "as",
    "agda": "",
    "apache": "apacheconf",
    "apl": "",
    "arduino": "ino",
    "asciidoc": "adoc",
    "autoit": "",
    "basic": "qbasic vbscript-basic",
    "bibtex": "bib",
    "bnf": "ebnf abnf",
    "brainfuck": "bf",
    "coq": "rocq",
    "csv": "tsv",
    "cuda": "cu",
    "cython": "pyx",
    "django": "jinja jinja2",
    "dns": "zone bind",
    "dot": "graphviz",
    "dts": "devicetree",
    "eiffel": "",
    "email": "eml mime",
    "erb": "rhtml",
    "excel": "xls xlsx excel-formula",
    "fish": "",
    "forth": "",
    "foxpro": "vfp xbase",
    "gams": "",
    "gap": "",
    "gcode": "nc",
    "gdscript": "gd",
    "gherkin": "cucumber feature",
    "gnuplot": "",
    "gradle": "",
    "haml": "",
    "handlebars": "hbs mustache",
    "haxe": "hx",
    "hlsl": "",
    "http": "https",
    "hy": "hylang",
    "idl": "",
    "idris": "",
    "inform7": "i7",
    "j": "",
    "jsonnet": "",
    "jsp": "",
    "kql": "kusto",
    "ldif": "",
    "lean": "lean4",
    "lilypond": "",
    "liquid": "",
    "livescript": "ls",
    "llvm": "",
    "logtalk": "",
    "m4": "",
    "maple": "",
    "maxima": "",
    "mathml": "",
    "mediawiki": "wikitext wiki",
    "mercury": "",
    "mips": "mipsasm",
    "mizar": "",
    "mojo": "",
    "mongodb": "mongo",
    "mql": "mql4 mql5",
    "nginx": "nginxconf",
    "nsis": "",
    "openscad": "scad",
    "oz": "",
    "pgsql": "plpgsql postgres",
    "pig": "",
    "pine": "pine-script",
    "pkl": "",
    "postscript": "",
    "processing": "pde",
    "promql": "",
    "properties": "",
    "pug": "jade",
    "puppet": "pp",
    "purescript": "purs",
    "q": "k kdb",
    "qml": "",
    "reasonml": "re",
    "rebol": "",
    "regex": "regexp",
    "robotframework": "robot",
    "rst": "rest restructuredtext",
    "scilab": "sci",
    "smarty": "",
    "sml": "standard-ml",
    "spice": "netlist",
    "stan": "stanfuncs",
    "stylus": "styl",
    "supercollider": "sclang",
    "systemd": "",
    "systemverilog": "sv",
    "tcl": "tk",
    "tcsh": "",
    "thrift": "",
    "turtle": "ttl n3",
    "twig": "",
    "typst": "",
    "vala": "",
    "vbscript": "vbs",
    "velocity": "vtl",
    "vue": "",
    "webassembly": "wasm wat wast",
    "wgsl": "",
    "x++": "axapta",
    "xquery": "xpath xq",
    "yara": "",
    "zephir": "zep",
}
# Hints that say that the block is in no programming language.
_NO_LANGUAGE = frozenset(
    (
        *("none", "text", "plain", "plaintext", "txt", "text-only", "nohighlight", "no-highlight"),
        *("output", "console-output", "log", "logs"),
    )
)
_GUESS = "default"
"""The hint that asks for a guess, as if there were none."""
# Tags of libraries and tools that imply one language.
_IMPLIED = {
    "c#": "linq entity-framework entity-framework-core wpf winforms asp.net-core asp.net-mvc unity3d unity-game-engine "
    "xamarin xamarin.forms blazor uwp",
    "c++": "qt qt5 boost stl mfc c++-cli boost-asio",
    "dart": "flutter flutter-layout",
    "elixir": "phoenix-framework ecto",
    "groovy": "grails spock",
    "haskell": "ghc haskell-stack yesod plutus",
    "java": "spring spring-boot spring-mvc spring-data-jpa spring-security hibernate jsf swing javafx servlets "
    "mockito java-stream jackson junit",
    "javascript": "jquery jquery-ui reactjs react-native react-hooks redux vue.js vuejs2 vuejs3 angularjs "
    "express d3.js backbone.js ember.js three.js mongoose socket.io google-apps-script "
    "discord.js next.js electron lodash highcharts knockout.js meteor chart.js webpack",
    "kotlin": "android-jetpack-compose kotlin-coroutines ktor",
    "objective-c": "cocoa-touch",
    "perl": "moose",
    "php": "laravel laravel-5 laravel-8 eloquent wordpress codeigniter symfony symfony2 doctrine-orm magento "
    "drupal yii yii2 cakephp phpunit woocommerce zend-framework",
    "python": "pandas numpy django django-models django-rest-framework flask matplotlib scikit-learn scipy "
    "pytorch keras pyspark beautifulsoup sqlalchemy tkinter pyqt pyqt5 discord.py pygame python-requests "
    "fastapi python-asyncio pytest jupyter-notebook seaborn",
    "r": "ggplot2 dplyr tidyr tidyverse shiny data.table r-markdown purrr lubridate tibble",
    "ruby": "ruby-on-rails ruby-on-rails-3 ruby-on-rails-4 ruby-on-rails-5 rspec sinatra activerecord",
    "rust": "rust-cargo rust-tokio borrow-checker",
    "scala": "sbt akka playframework-2.0",
    "sql": "sql-server-2008 sql-server-2012 oracle11g google-bigquery amazon-redshift",
    "swift": "swiftui",
    "tex": "tikz-pgf beamer",
    "typescript": "angular rxjs nestjs angular-material ngrx",
}
_HINTS = {name: language for language, names in _NAMES.items() for name in (language, *names.split())}
_TAGS = {**_HINTS, **{tag: language for language, tags in _IMPLIED.items() for tag in tags.split()}}
for _language, _aliases in _FURTHER.items():
    for _name in (_language, *_aliases.split()):
        _HINTS.setdefault(_name, _language)
# Tags that more often name a question's subject than its code's language, or mean other things elsewhere.
for _tag in (
    "ada",
    "json",
    "xml",
    "svg",
    "markdown",
    "node",
    "el",
    "ml",
    "pl",
    "cc",
    "ts",
    "tsx",
    "py",
    "patch",
    "ini",
    "diff",
):
    _TAGS.pop(_tag, None)

# Code points of a block that are read, and the signs that decide where no tag does.
_SAMPLE = 2048
_LEAST = 2


def _patterns(*pairs: tuple[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((language, re.compile(pattern)) for language, pattern in pairs)


# Forms that belong to one language, whatever the tags say; all are anchored at the start of the block.
_CERTAIN = _patterns(
    ("python", r"\A#!.*\bpython"),
    ("bash", r"\A#!.*\b(?:ba|z|k|da)?sh\b"),
    ("perl", r"\A#!.*\bperl"),
    ("ruby", r"\A#!.*\bruby"),
    ("javascript", r"\A#!.*\bnode"),
    ("php", r"\A\s*<\?php"),
    ("xml", r"\A\s*<\?xml\b"),
    ("html", r"(?i)\A\s*<(?:!doctype html|html)\b"),
    ("diff", r"\A(?:diff --git |--- \S.*\n\+\+\+ \S)"),
    ("pytb", r"\A\s*Traceback \(most recent call last\):"),
    ("json", r'\A\s*[{\[]\s*(?:\{\s*)?"[^"\n]*"\s*:(?=[\s\S]*[}\]]\s*\Z)(?![\s\S]*(?:;\s*$|\bfunction\b|=>))'),
)
# Signs of a language, one point each; RE2 looks for all of them in one pass.
_SIGNS = (
    ("python", r"^[ \t]*(?:async )?def \w+\(.*\).*:\s*(?:#.*)?$"),
    ("python", r"^[ \t]*class \w+(?:\(.*\))?:\s*$"),
    ("python", r"^(?:from [\w.]+ import |import [\w.]+(?: as \w+)?(?:, *\w+)*\s*$)"),
    ("python", r"^[ \t]*(?:if|elif|for|while|with|try|except|else)\b[^;{]*:\s*$"),
    ("python", r"^>>> |\bself\.\w|\bprint\(f?['\"]|\b(?:None|True|False)\b|^[ \t]*elif "),
    ("javascript", r"\b(?:const|let|var) (?:\w+|\{[^}]*\}|\[[^\]]*\]) *= "),
    ("javascript", r"\bfunction\b *\w* *\([\w, ]*\) *\{|\([\w, {}]*\) *=> *[{(\w]"),
    ("javascript", r"===|!==|\bconsole\.log\(|\bdocument\.\w+|\bmodule\.exports|\brequire\(['\"]"),
    ("javascript", r"\$\(['\"]|^import .* from ['\"]|^export (?:default|const|function)"),
    ("typescript", r"\b\w+\??: (?:string|number|boolean|any|void|Observable<)\b"),
    (
        "typescript",
        r"^(?:export )?(?:interface \w+ \{|type \w+ = |enum \w+ \{)|@(?:Component|Injectable|Input)\(|\bas const\b",
    ),
    ("typescript", r"\b(?:private|public|readonly) \w+: \w+"),
    ("java", r"\bpublic (?:static |final |abstract )*(?:class|void|interface|int|String|enum)\b"),
    ("java", r"\bSystem\.out\.print|\bimport (?:static )?(?:java|javax|org|com|android)\.[\w.]+;"),
    (
        "java",
        r"\b(?:String|Integer|List<\w+>|Map<\w+, *\w+>|ArrayList<\w*>)(?:\[\])? \w+ *[=;,)]|@Override|\bthrows \w+",
    ),
    ("kotlin", r"\bfun (?:<\w+> )?[\w.]+\(.*\)(?:: *[\w<>?]+)? *[{=]|^[ \t]*(?:override|private|suspend) fun "),
    ("kotlin", r"\bva[lr] \w+(?:: *[\w<>?]+)? *=|\bdata class |\?: |\bit\.\w+"),
    ("scala", r"\bdef \w+(?:\[\w+\])?\(.*\)(?:: *\w[\w\[\]]*)? *=|\bcase class |\bobject \w+ (?:extends|\{)"),
    ("c#", r"^using (?:static )?[A-Z][\w.]*;|\bnamespace [A-Z][\w.]*|\bConsole\.(?:Write|Read)"),
    (
        "c#",
        r"\bpublic (?:static |async |override |virtual )*(?:class|void|string|int|bool|Task(?:<\w+>)?)\b.*(?:\n\s*)?\{",
    ),
    (
        "c#",
        r"\{ *get; *(?:private )?set; *\}|\bvar \w+ = (?:new|await) |\bstring \w+ *[=;]|\bforeach *\(|\bIEnumerable<",
    ),
    ("c++", r"^[ \t]*#\s*include *<(?:iostream|vector|string|map|algorithm|memory|c\w+|[a-z_]+)>"),
    ("c++", r"\bstd::|\busing namespace std\b|\bcout *<<|\bcin *>>|\btemplate *<|::\w+\(|\bnullptr\b"),
    ("c++", r"^[ \t]*(?:public|private|protected):\s*$|\b(?:const )?\w+& \w+[,)]|\bvirtual \w+"),
    ("c", r"^[ \t]*#\s*include *[<\"]\w[\w/]*\.h[>\"]"),
    ("c", r"\b(?:printf|scanf|malloc|sizeof|strlen|memcpy)\(|\bint main\(|\bstruct \w+ *\*|\bchar *\*"),
    (
        "objective-c",
        r"^@(?:interface|implementation|property|end)\b|^[ \t]*#import |\[\[?\w+ \w+[\]:]|@\"|\bNS[A-Z]\w+ \*",
    ),
    (
        "swift",
        r"\bfunc \w+\(.*\)(?: -> [\w\[\]?]+)? *\{|\bguard let |\bif let \w+ = |^import (?:UIKit|SwiftUI|Foundation)",
    ),
    ("swift", r"\blet \w+(?:: \w+)? = |\bvar \w+: \w+|@(?:State|IBOutlet|IBAction|objc)\b|\.self\b"),
    ("go", r"^package \w+\s*$|^func (?:\(\w+ \*?\w+\) )?\w+\(.*\{|\b\w+ := |\bfmt\.Print|\berr != nil"),
    (
        "rust",
        r"\bfn \w+(?:<.*>)?\(.*\)(?: -> .*)? *\{|\blet mut |\bimpl(?:<.*>)? \w+|println!\(|\buse std::",
    ),
    ("ruby", r"^[ \t]*def [\w.?!]+(?:\(.*\))?[ \t]*$|\bdo \|\w+(?:, *\w+)*\||^[ \t]*(?:puts|require) ['\"]"),
    (
        "ruby",
        r"^[ \t]*(?:attr_accessor|has_many|belongs_to|validates|before_action) :|\.each do|^[ \t]*end\s*$|:\w+ => ",
    ),
    ("php", r"<\?(?:php|=)|\$\w+ *= |\$this->|\becho \$?['\"\w]|\$_(?:GET|POST|SESSION|SERVER)\b"),
    ("php", r"\$\w+->\w+|\bforeach *\(\$|\barray\(|\bpublic function \w+\("),
    ("perl", r"^use (?:strict|warnings)|\bmy [$@%]\w+|=~ *[ms]?/|\bsub \w+ *\{"),
    ("r", r"\w *<- |\blibrary\(\w+\)|%>%|\bdata\.frame\(|\bggplot\(|\bc\((?:['\"\d])"),
    ("r", r"^[ \t]*(?:\[\d+\]|\d+ +\w+ +\d)|\bfunction\([\w., =]*\)|\btibble\(|\bstructure\(list\("),
    ("matlab", r"^[ \t]*function (?:\[?[\w, ]+\]? *= *)?\w+\(|^[ \t]*%|\bzeros\(|\bend\s*;?\s*$"),
    (
        "haskell",
        r"^\w[\w']* *:: |^import (?:qualified )?[A-Z][\w.]+|\bwhere\s*$|^(?:data|newtype|instance) [A-Z]|\s<- \w+",
    ),
    ("haskell", r"^module [A-Z]|\{-#|\bdo\s*$|\bMaybe\b|\\\w+ ->"),
    ("clojure", r"^[ \t]*\((?:defn?|ns|let|fn|println)\b"),
    ("lisp", r"^[ \t]*\((?:defun|setq|lambda|defmacro|defvar)\b"),
    ("bash", r"^[ \t]*[$#] (?:sudo |cd |ls|git |npm |pip3? |docker |apt|curl |cat |echo |\./|\w+-cli )"),
    (
        "bash",
        r"^[ \t]*(?:sudo|apt-get|apt|cd|mkdir|curl|wget|chmod|echo|git|npm|docker|pip3?|yarn|grep) [\w\-./$\"'~]",
    ),
    (
        "bash",
        r"\$\{\w+\}|^[ \t]*(?:fi|done|esac)\b|\bif \[\[? |^[ \t]*\w+=\$\(|\| *(?:grep|awk|sed|xargs|jq) ",
    ),
    ("powershell", r"\b(?:Get|Set|New|Write|Import|Invoke|Remove)-[A-Z]\w+|\$_\.|\$PS\w+|-eq \$"),
    ("batch", r"(?i)^@?echo off|^set \w+=|%\w+%|^goto \w+"),
    ("sql", r"(?i)\bselect\b[^;]*\bfrom\b\s+[\w\"`\[.(]"),
    (
        "sql",
        r"(?i)^[ \t]*(?:create (?:or replace )?(?:table|view|index)|insert into|update \S+ set|alter table)\b",
    ),
    ("sql", r"(?i)\b(?:where|group by|order by|inner join|left join|join)\b.*(?:=|\bby\b|\bon\b|\bin\b)"),
    (
        "html",
        r"(?i)<(?:div|span|p|a|ul|li|table|tr|td|form|input|button|script|head|body|img|h[1-6]|style|link|meta)\b[^<>]*>",
    ),
    ("html", r"(?i)</(?:div|span|p|a|ul|li|table|tr|td|form|button|script|head|body|h[1-6]|html)>"),
    ("css", r"^[ \t]*[.#]?[\w-]+(?:[ >,:.#][\w\-.#:>, ]*)?\{\s*(?:$|[\w-]+ *:)"),
    ("css", r"^[ \t]*(?:[\w-]+): *[^;{}\n]+;\s*$|\b(?:margin|padding|color|display|width|height|background)[\w-]*:"),
    ("xml", r"^[ \t]*</?\w+(?:[:.]\w+)+(?:\s|>|/)|\bxmlns(?::\w+)?="),
    ("xml", r"\A\s*<\w[\w.-]*(?:\s+[\w:.-]+=\"[^\"]*\")*\s*/?>\s*<"),
    ("json", r"\A\s*[{\[]\s*[\"{\[\]}]"),
    ("json", r'^[ \t]*"[\w$@./ -]+" *: *(?:["{\[\d-]|true|false|null)'),
    ("yaml", r"^[\w.-]+:\s*$\n(?:[ ]+- |[ ]+[\w.-]+:)|^[ ]+- [\w.-]+: "),
    ("yaml", r"\A(?:---|[\w.-]+:(?: [^;{}()]*)?)\n(?:[ ]*(?:- )?[\w.-]+:(?: .*)?\n|[ ]*- )"),
    ("docker", r"^FROM [\w./:-]+(?: AS \w+)?\s*$"),
    ("docker", r"^(?:RUN|COPY|WORKDIR|CMD|ENTRYPOINT|EXPOSE) "),
    ("dart", r"\bWidget build\(|\bStatelessWidget|\bStatefulWidget|^import 'package:|\bBuildContext\b"),
    ("dart", r"\bchild(?:ren)?: |\bfinal \w+ \w+;|\bFuture<\w+>"),
    (
        "groovy",
        r"^[ \t]*(?:implementation|compile|classpath|apply plugin:|testImplementation) ['\"]|^dependencies \{",
    ),
    (
        "vb.net",
        r"(?i)\bDim \w+ As \w|^[ \t]*(?:Public |Private )?(?:Sub|Function) \w+\(|^[ \t]*End (?:Sub|If|Function)\b",
    ),
    ("vba", r"\bRange\(\"|\bWorksheets?\(|\bActiveSheet\b|\bSet \w+ = "),
    ("tex", r"\\(?:begin|end|documentclass|usepackage|section)\{"),
    ("make", r"^[\w./%-]+:.*\n\t\S|^\.PHONY:"),
    ("solidity", r"^pragma solidity|\bcontract \w+(?: is [\w, ]+)? *\{|\bmapping *\(|\bmsg\.sender\b"),
    ("lua", r"^[ \t]*local (?:function )?\w+|\bfunction \w+[.:]?\w*\(.*\)\s*$|\bthen\s*$"),
    ("elixir", r"^[ \t]*def(?:module|p)? [\w.]+.* do\s*$|\|> "),
)
# A dialect's code has its parent's signs too: it wins with one sign of its own.
_DIALECTS = (("typescript", "javascript"), ("c++", "c"), ("vba", "vb.net"))


def of(code: str, hint: str | None, tags: Iterable[str]) -> str | None:
    """Language of a code block, None where nothing shows it clearly enough.

    What its author says stands: a hint of no language, or of one whose name is not known here, gives None whatever the
    question's tags are; after a name that is not known only an unmistakable form counts.

    Args:
        code: the block.
        hint: of its markup, as `spans.Marked` gives it ("py", "cpp", or a tag's name; "": there is no language).
        tags: the question's tags.
    """
    if hint == _GUESS:
        hint = None
    if hint is not None:
        if not hint or hint in _NO_LANGUAGE:
            return None
        named = _HINTS.get(hint) or _TAGS.get(hint)
        if named:
            return named
    sample = code[:_SAMPLE]
    for language, pattern in _CERTAIN:
        if pattern.search(sample):
            return language
    if hint:
        return None
    candidates = {_TAGS[tag] for tag in tags if tag in _TAGS}
    if len(candidates) == 1:
        return candidates.pop()
    return _by_shape(sample, candidates)


@lru_cache(maxsize=1)
def _signs() -> Any:
    import re2

    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    signs = re2.Set.SearchSet(options)
    for _, pattern in _SIGNS:
        signs.Add(f"(?m){pattern}")
    signs.Compile()
    return signs


def _by_shape(sample: str, candidates: Collection[str]) -> str | None:
    score: dict[str, int] = {}
    for index in _signs().Match(sample.encode("utf-8", "replace")) or ():
        language = _SIGNS[index][0]
        if not candidates or language in candidates:
            score[language] = score.get(language, 0) + 1
    for dialect, parent in _DIALECTS:
        if dialect in score:
            score[dialect] += score.pop(parent, 0)
    best = sorted(score, key=score.__getitem__, reverse=True)[:2]
    least = 1 if candidates else _LEAST
    if best and score[best[0]] >= least and (len(best) == 1 or score[best[0]] > score[best[1]]):
        return best[0]
    return None
