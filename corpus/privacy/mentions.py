"""Mentions of users in comments."""

import re
from collections.abc import Iterator

from socorpus.corpus.privacy.found import Found, words

_MENTION = re.compile(r"[^\W_](?:[\w.\-]*[^\W_])?(?:['’](?=[A-Z])\w+)?")
_QUANTITY = re.compile(r"\d+(?:\.\d+)?[a-zA-Z]{0,3}$")
# Annotations, decorators and at-rules that come up in comments; a name that is also one of these stays.
_ANNOTATIONS = words(
    # Java and Jakarta, Kotlin
    "override deprecated suppresswarnings functionalinterface safevarargs retention target documented inherited "
    "repeatable native generated postconstruct predestroy resource resources inject named singleton qualifier "
    "alternative produces disposes observes decorator delegate stateless stateful messagedriven ejb webservlet "
    "webfilter weblistener webservice webmethod webparam path pathparam queryparam formparam headerparam "
    "cookieparam matrixparam beanparam consumes get post put delete patch head options applicationpath provider "
    "context notnull nonnull nullable null notempty notblank email size digits positive negative future past "
    "assertrue assertfalse valid validated pattern checkfornull jvmstatic jvmfield jvmoverloads jvmname throws "
    "jvminline parcelize serializable transient synchronized volatile strictfp companion receiver setparam "
    # Spring
    "autowired component service repository controller restcontroller controlleradvice restcontrolleradvice "
    "requestmapping getmapping postmapping putmapping deletemapping patchmapping requestbody responsebody "
    "requestparam requestheader requestpart requestattribute sessionattribute sessionattributes pathvariable "
    "cookievalue modelattribute responsestatus exceptionhandler crossorigin initbinder bean configuration "
    "configurationproperties enableautoconfiguration springbootapplication springboottest springbootconfiguration "
    "componentscan entityscan import importresource propertysource conditionalonproperty conditionalonclass "
    "conditionalonmissingbean conditionalonbean profile primary lazy order dependson value transactional "
    "transactionaleventlistener eventlistener scheduled async enablescheduling enableasync enablewebmvc "
    "enablewebsecurity enablejparepositories enablecaching enablefeignclients enableeurekaserver "
    "enableeurekaclient enablediscoveryclient enableconfigserver enablezuulproxy enablewebflux "
    "enabletransactionmanagement enableglobalmethodsecurity enablemethodsecurity preauthorize postauthorize "
    "secured rolesallowed permitall denyall cacheable cacheput cacheevict caching feignclient kafkalistener "
    "rabbitlistener jmslistener query modifying param procedure entitygraph webmvctest datajpatest mockbean "
    "spybean withmockuser autoconfiguremockmvc activeprofiles contextconfiguration dirtiescontext sql sqlgroup "
    "testconfiguration testpropertysource restclienttest loadbalanced retryable recover hystrixcommand aspect "
    "pointcut around afterreturning afterthrowing enableaspectjautoproxy messagemapping sendto payload "
    "destinationvariable "
    # Persistence, JSON, Lombok
    "entity table column id embeddedid embeddable embedded idclass generatedvalue sequencegenerator "
    "tablegenerator genericgenerator onetoone onetomany manytoone manytomany joincolumn joincolumns jointable "
    "mappedby mappedsuperclass inheritance discriminatorcolumn discriminatorvalue namedquery namedqueries "
    "namednativequery sqlresultsetmapping elementcollection collectiontable orderby ordercolumn mapkey "
    "mapkeycolumn basic lob temporal enumerated version convert converter attributeoverride attributeoverrides "
    "prepersist postpersist preupdate postupdate preremove postremove postload creationtimestamp updatetimestamp "
    "formula where filter filterdef fetch batchsize cache cascade lazycollection naturalid dynamicupdate "
    "dynamicinsert typedef immutable document field indexed jsonproperty jsonignore jsonignoreproperties "
    "jsoninclude jsonformat jsoncreator jsonvalue jsonalias jsongetter jsonsetter jsonrootname jsontypeinfo "
    "jsonsubtypes jsontypename jsonmanagedreference jsonbackreference jsonidentityinfo jsonserialize "
    "jsondeserialize jsonunwrapped jsonview jsonanygetter jsonanysetter jsonpropertyorder jsonautodetect "
    "jsonnaming serializedname expose xmlelement xmlattribute xmlrootelement xmltype xmltransient xmlvalue "
    "xmlelementwrapper xmlaccessortype xmlenum xmlseealso xmljavatypeadapter data getter setter builder tostring "
    "equalsandhashcode noargsconstructor allargsconstructor requiredargsconstructor slf4j log4j2 sneakythrows "
    "superbuilder cleanup utilityclass accessors fieldnameconstants "
    # Tests
    "test before after beforeeach aftereach beforeall afterall beforeclass afterclass beforemethod aftermethod "
    "beforesuite aftersuite dataprovider parameterizedtest valuesource methodsource csvsource enumsource "
    "argumentssource repeatedtest displayname nested disabled ignore rule classrule runwith extendwith category "
    "mock injectmocks captor mockitosettings preparefortest powermockignore cucumberoptions timeout tempdir "
    "theory datapoint datapoints testinstance testfactory tag "
    # Android, Dagger
    "bindview onclick binding bindingadapter inversebindingadapter module provides binds intomap intoset "
    "multibinds subcomponent componentfactory hiltandroidapp androidentrypoint hiltviewmodel viewmodelinject "
    "installin applicationcontext activitycontext singletoncomponent dao database insert update rawquery "
    "typeconverter typeconverters foreignkey relation composable preview uithread workerthread mainthread "
    "requiresapi targetapi suppresslint stringres layoutres drawableres colorres idres visiblefortesting "
    "androidviewmodel fieldmap formurlencoded multipart part partmap body headers header url queryname querymap "
    "streaming http "
    # C#, Swift and Objective-C
    "objc objcmembers ibaction iboutlet ibinspectable ibdesignable nsmanaged nscopying nsapplicationmain "
    "uiapplicationmain main available discardableresult escaping autoclosure inlinable usablefrominline "
    "dynamiccalllable dynamicmemberlookup propertywrapper resultbuilder viewbuilder state published "
    "observedobject stateobject environmentobject environment appstorage scenestorage focusstate gesturestate "
    "fetchrequest namespace bindable observable model attribute relationship mainactor sendable globalactor "
    "testable unknown convention warn_unused_result noescape property synthesize dynamic selector interface "
    "implementation protocol end class optional required try catch finally throw autoreleasepool encode defs "
    "compatibility_alias public private protected package "
    # Python
    "app staticmethod classmethod abstractmethod abstractproperty cached_property dataclass lru_cache wraps "
    "contextmanager asynccontextmanager singledispatch total_ordering overload final runtime_checkable pytest "
    "fixture parametrize skip skipif unittest click route login_required permission_required csrf_exempt "
    "require_http_methods require_post api_view action register shared_task task celery periodic_task admin "
    "hybrid_property validates validator root_validator field_validator model_validator computed_field event "
    "listens_for jit njit vectorize numba cuda tf torch no_grad inference_mode strategy asyncio coroutine gen "
    "tornado attr attrs define before_request after_request errorhandler context_processor teardown_appcontext "
    "template_filter "
    # TypeScript, JavaScript and their notes
    "ts-ignore ts-nocheck ts-expect-error ts-check eslint-disable eslint-enable eslint-disable-next-line "
    "prettier-ignore jsx jsximportsource directive pipe injectable ngmodule input output viewchild viewchildren "
    "contentchild contentchildren hostlistener hostbinding self skipself host effect select dispatch storemodule "
    "prop props watch emit vuex params req res session hostparam next render redirect middleware useguards "
    "useinterceptors usepipes usefilters injectrepository injectmodel entityrepository primarygeneratedcolumn "
    "primarycolumn createdatecolumn updatedatecolumn deletedatecolumn versioncolumn isstring isint isnotempty "
    "isoptional isemail apiproperty apitags resolver mutation subscription args objecttype inputtype mapper mobx "
    "computed autobind "
    # Documentation
    "parameter return returns exception see since author authors todo link linkplain code inheritdoc literal "
    "serial example description summary remarks default defaultvalue type typeparam template callback augments "
    "extends implements constructor memberof export exports function func method fires listens static instance "
    "inner global internal readonly access api brief details note warning bug ingroup defgroup addtogroup group "
    "subpackage filesource license copyright property-read property-write var uses used-by mixin covers "
    "expectedexception depends backupglobals runinseparateprocess requires "
    # Styles, templates and scripts
    "media charset supports keyframes font-face page layer container include extend if else elseif each for while "
    "use forward warn debug error at-root content tailwind apply screen variants config viewport counter-style "
    "-webkit-keyframes -moz-keyframes section yield yieldsection stack push endsection show parent endif "
    "endforeach endfor endwhile foreach forelse empty isset unless auth guest endauth endguest csrf json php "
    "verbatim switch case lang choice once livewire vite vitereactrefresh using inherits html viewbag viewdata "
    "renderbody rendersection functions layout helper addtaghelper removetaghelper tempdata await echo off set "
    "declare rowcount identity identity_insert trancount fetch_status spid servername "
    # Chats
    "everyone here channel mods moderators admins "
    # Others
    " "
)


_KIND = re.compile(
    r"[`'\"]?[ \t]{1,2}(?:annotations?|decorators?|attributes?|directives?|tags?|rules?|keywords?|modifiers?"
    r"|pragmas?|macros?|notation|selectors?"
    r"|syntax|property wrappers?|helpers?|imports?|packages?|scopes?|modules?|namespaces?|variables?|parameters?"
    r"|symbols?|sign)\b"
)
"""What a comment calls a name that is nobody's, right behind it."""
_TAKEN = re.compile(
    r"(?:^|\s)(?:the|an?|uses?|using|used|adds?|added|adding|removed?|removing|missing|(?:annotated?|decorated?"
    r"|marked|tagged) (?:it )?with"
    r"|annotation|decorator|directive|attribute) [`'\"]?$",
    re.I,
)
_NAMELIKE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+$|[a-z]+(?:[_\-][a-z]+)+$")
"""Words in one, as names in code are; those of users may be too."""
_OWNED = re.compile(
    r"['’]s\b|[ \t](?:answers?|solutions?|suggestions?|comments?|code|approach|method|advice|idea|link|example|way"
    r"|version|post)\b"
)


class Ticks:
    """Whether a place of a text's comments is in Markdown's code: after an odd number of backticks on its line.

    It is asked from left to right, and reads the text once.
    """

    def __init__(self, text: str, own_end: int) -> None:
        self.text, self.reached, self.odd = text, own_end, False

    def before(self, place: int) -> bool:
        """Whether the backticks from the line's start, or from that of the comments, to `place` are an odd number."""
        newline = self.text.rfind("\n", self.reached, place)
        if newline >= 0:
            self.reached, self.odd = newline, False
        self.odd ^= self.text.count("`", self.reached, place) % 2 == 1
        self.reached = max(self.reached, place)
        return self.odd


def mention(text: str, place: int, ticks: Ticks) -> Iterator[Found]:
    """The user whose name follows the `@` at `place`, in a text's comments."""
    match = _MENTION.match(text, place + 1)
    if match is None:
        return
    start, end = match.span()
    name, after = match[0].lower(), text[end : end + 2]
    if end - start < 2 or name.endswith((".com", ".org", ".net")) or (name[0].isdigit() and _QUANTITY.match(name)):
        return
    if (
        name in _ANNOTATIONS
        or after[:1] in ("(", "{", "=", "[")
        or ("." in name and name.split(".")[0] in _ANNOTATIONS)
    ):
        return
    if _KIND.match(text, end) or (
        _NAMELIKE.match(text, start, end)
        and _TAKEN.search(text, max(0, place - 24), place)
        and not _OWNED.match(text, end)
    ):
        return
    if ticks.before(place):
        return
    if after == " =" or (after[:1] == "/" and after[1:].isalnum()):  # a variable, a scope of packages
        return
    yield "user", start, end, "user"
