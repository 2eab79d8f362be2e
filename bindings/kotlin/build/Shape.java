import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * Brings the generated half of the package into its final form. Values keep their place in the public interface; the
 * machinery that moves them, and the objects behind the classes written by hand, become internal; what is written by
 * hand is left out.
 *
 * <p>A rule that finds nothing ends the build: the generator has changed, and so must the rule.
 */
final class Shape {
    private String text;

    public static void main(String[] paths) throws Exception {
        Shape shape = new Shape(Files.readString(Path.of(paths[0])));
        shape.leaveOutWhatIsWrittenByHand();
        shape.hideTheMachinery();
        shape.deliverCancellation();
        shape.makeValuesKotlins();
        shape.makeDocsKotlins();
        Files.writeString(Path.of(paths[1]), shape.text);
    }

    private Shape(String text) {
        this.text = text;
    }

    /** In Convert.kt and VideoError.kt. The list of the errors' kinds is held against the generated converter. */
    private void leaveOutWhatIsWrittenByHand() {
        rule("(?ms)^public object FfiConverterDuration: .*?^\\}\\n", "");
        rule("(?ms)^sealed class VideoException: .*?(?=^/\\*\\*\\n \\* @suppress\\n)", "");
        rule("(?ms)(    fun toUtf8\\(value: String\\): ByteBuffer) \\{.*?^    \\}\\n", "$1 = utf8(value)\n");
        rule("\\bVideoException\\b", "VideoError");
        rule("\\bjava\\.time\\.Duration\\b", "kotlin.time.Duration");
    }

    private void hideTheMachinery() {
        // The generator forgets its renames in the types of constructors with a name.
        rule("\\bFfiConverterType(?=(Frame|Library)\\.lift)", "FfiConverterTypeNative");
        rule("(\\) ?: ?)(?=(Frame|Library) \\{)", "$1Native");
        rule("(?m)^public (object|interface|typealias) (?=FfiConverter|Native)", "internal $1 ");
        rule("(?m)^open class (?=RustBuffer|Native)", "internal open class ");
        rule("(?m)^(class|interface|object|inline fun|public fun) (?=InternalException|Uniffi|uniffi|Disposable|NoHandle|<T : Disposable)",
                "internal $1 ");
        // Renamed, it would be looked for in the native library under a name that is not there.
        rule("(?m)^public (?=interface TokenCallback)", "internal ");
        rule("(?m)^public (?=abstract class FfiConverterCallbackInterface)", "internal ");
        rule("internal public ", "internal ");
        rule("(?m)^( *suspend)? fun (?=`native)", "internal$1 fun ");
        // The classes that take their fields as named arguments are written by hand.
        rule("(?m)^data class (?=ClientOptions|SandboxOptions)", "internal data class ");
    }

    /** Inside of the block whose end frees what was prepared, before the native library begins with anything. */
    private void deliverCancellation() {
        rule("(?s)(suspend fun ?<T, F, E: kotlin\\.Exception> uniffiRustCallAsync\\(.*?\\): T \\{\\s*try \\{\\n)",
                "$1        deliverCancellation()\n");
    }

    private void makeValuesKotlins() {
        // What is left out of a request or of settings is left open.
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
        // Whatever is a picture or a clip, see Media.kt.
        rule("(?ms)(^data class Clip \\(.*?^\\))\\{", "$1 : Media {");
        rule("(?m)^sealed class MediaInput \\{", "sealed class MediaInput : Media {");
        // Signed URLs and tokens are never shown.
        for (var secret : new String[] {"UploadTarget", "AccessToken"}) {
            rule("(?ms)(^data class " + secret + " \\(.*?)^    companion object",
                    "$1    override fun toString(): String = \"" + secret + "\"\n\n    companion object");
        }
    }

    private void makeDocsKotlins() {
        rule("(?ms)^ *\\* ```\\n.*?^ *\\* ```\\n", "");
        rule("\\[(`[^`\\]]+`)\\](\\([^)\\n]*\\))?", "$1");
        rule("(?m)^( *\\*.*)`None`", "$1`null`");
    }

    private void rule(String find, String replacement) {
        var matcher = Pattern.compile(find).matcher(text);
        if (!matcher.find()) {
            throw new IllegalStateException("the generator has changed: nothing is found by " + find);
        }
        text = matcher.replaceAll(replacement);
    }
}
