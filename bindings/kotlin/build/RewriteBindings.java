import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * Rewrites the code that uniffi-bindgen generates for Kotlin.
 *
 * <p>Records and enums stay public. Converters and the objects behind the hand-written classes become internal, and
 * declarations that are written by hand are removed.
 *
 * <p>A rule that matches nothing ends the build, because the generator has changed and the rule has to follow.
 */
final class RewriteBindings {
    private String text;

    public static void main(String[] paths) throws Exception {
        RewriteBindings rewrite = new RewriteBindings(Files.readString(Path.of(paths[0])));
        rewrite.removeHandWritten();
        rewrite.hideInternals();
        rewrite.deliverCancellation();
        rewrite.findLibrary();
        rewrite.adaptRecords();
        rewrite.adaptDocs();
        Files.writeString(Path.of(paths[1]), rewrite.text);
    }

    private RewriteBindings(String text) {
        this.text = text;
    }

    /** Removes what Convert.kt and VideoError.kt define. The generated converter does not compile if an error is missing. */
    private void removeHandWritten() {
        rule("(?ms)^public object FfiConverterDuration: .*?^\\}\\n", "");
        rule("(?ms)^sealed class VideoException: .*?(?=^/\\*\\*\\n \\* @suppress\\n)", "");
        rule("(?ms)(    fun toUtf8\\(value: String\\): ByteBuffer) \\{.*?^    \\}\\n", "$1 = utf8(value)\n");
        rule("\\bVideoException\\b", "VideoError");
        // What is thrown after a panic.
        rule("(?m)^class InternalException\\(.*\\n", "");
        rule("\\bInternalException\\(", "VideoError.internal(");
        rule("\\bInternalException\\b", "VideoError");
        rule("\\bjava\\.time\\.Duration\\b", "kotlin.time.Duration");
    }

    private void hideInternals() {
        // The generator does not apply renames to the types of named constructors.
        rule("\\bFfiConverterType(?=(Frame|Library)\\.lift)", "FfiConverterTypeNative");
        rule("(\\) ?: ?)(?=(Frame|Library) \\{)", "$1Native");
        rule("(?m)^public (object|interface|typealias) (?=FfiConverter|Native)", "internal $1 ");
        rule("(?m)^open class (?=RustBuffer|Native)", "internal open class ");
        rule("(?m)^(class|interface|object|inline fun|public fun) (?=Uniffi|uniffi|Disposable|NoHandle|<T : Disposable)",
                "internal $1 ");
        // Not renamed in uniffi.toml, because its symbol in the native library would not be found.
        rule("(?m)^public (?=interface TokenCallback)", "internal ");
        rule("(?m)^public (?=abstract class FfiConverterCallbackInterface)", "internal ");
        rule("internal public ", "internal ");
        rule("(?m)^( *suspend)? fun (?=`native)", "internal$1 fun ");
        // Hand-written functions take their fields as named arguments.
        rule("(?m)^data class (?=ClientOptions|SandboxOptions)", "internal data class ");
        // `estimate` has an overload for each kind of request instead.
        rule("(?m)^sealed class (?=VideoRequest)", "internal sealed class ");
    }

    /** Adds a check for cancellation before a native call starts, inside the block that frees prepared arguments. */
    private void deliverCancellation() {
        rule("(?s)(suspend fun ?<T, F, E: kotlin\\.Exception> uniffiRustCallAsync\\(.*?\\): T \\{\\s*try \\{\\n)",
                "$1        deliverCancellation()\n");
    }

    private void findLibrary() {
        rule("(?m)^    return \"reelkin\"$", "    return SharedLibrary.name");
    }

    private void adaptRecords() {
        // Nullable fields default to null, others to the default of the core.
        rule("(?m)^(    val `\\w+`: [^=\\n]+\\?) *$", "$1 = null");
        rule("(?m)^(        val `\\w+`: [^=,\\n]+\\?)(?=, *$|\\) :)", "$1 = null");
        rule("(?m)^(        val `keyframes`: List<[^=,\\n]+>)(?=\\) :)", "$1 = listOf()");
        rule("(?m)^(    val `plan`: PlanChoice) *$", "$1 = PlanChoice.Default");
        rule("(?m)^(    val `mode`: GenerateMode) *$", "$1 = GenerateMode.Text");
        rule("(?m)^(    val `transport`: TransportChoice) *$", "$1 = TransportChoice.AUTO");
        rule("(?m)^(    val `strategy`: ContinueStrategy) *$", "$1 = ContinueStrategy.LAST_FRAME");
        rule("(?m)^(    val `frame`: FrameChoice) *$", "$1 = FrameChoice.Last");
        rule("(?m)^(    val `(?:voices|steps)`: List<\\S+>) *$", "$1 = listOf()");
        rule("(?m)^(    val `unknownPrices`: kotlin.Boolean) *$", "$1 = false");
        // See Media.kt.
        rule("(?ms)(^data class Clip \\(.*?^\\))\\{", "$1 : Media {");
        rule("(?m)^sealed class MediaInput \\{", "sealed class MediaInput : Media {");
        // Signed URLs and tokens must not be printed.
        for (var secret : new String[] {"UploadTarget", "AccessToken"}) {
            rule("(?ms)(^data class " + secret + " \\(.*?)^    companion object",
                    "$1    override fun toString(): String = \"" + secret + "\"\n\n    companion object");
        }
    }

    /** Removes Rust examples and links from the docs. No match is not an error here, since docs change often. */
    private void adaptDocs() {
        text = text.replaceAll("(?ms)^ *\\* ```\\n.*?^ *\\* ```\\n", "")
                .replaceAll("\\[(`[^`\\]]+`)\\](\\([^)\\n]*\\))?", "$1")
                .replaceAll("(?m)^( *\\*.*)`None`", "$1`null`");
    }

    private void rule(String find, String replacement) {
        var matcher = Pattern.compile(find).matcher(text);
        if (!matcher.find()) {
            throw new IllegalStateException("rewrite the generated code: no match for " + find);
        }
        text = matcher.replaceAll(replacement);
    }
}
