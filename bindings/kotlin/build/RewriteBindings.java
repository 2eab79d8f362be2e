import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Rewrites the code that uniffi-bindgen generates for Kotlin.
 *
 * <p>Records and enums stay public. Converters and the objects behind the hand-written classes become internal, and
 * declarations that are written by hand are removed.
 *
 * <p>A rule that matches nothing ends the build, because the generator has changed and the rule has to follow.
 */
final class RewriteBindings {
    /** Records that Java creates from nothing, and those that it creates by changing a default of the core. */
    private static final List<String> STARTED_IN_JAVA = List.of("GenerateRequest", "EditRequest", "ExtendRequest",
            "ContinueRequest", "ChainRequest", "StorageOptions", "AccessToken", "Budget", "MediaOptions");
    private static final List<String> CHANGED_IN_JAVA = List.of("Defaults", "PollPolicy", "DownloadPolicy", "RateLimit",
            "Timeouts", "PlannerSettings", "AnalyzeOptions");

    private String text;

    public static void main(String[] paths) throws Exception {
        RewriteBindings rewrite = new RewriteBindings(Files.readString(Path.of(paths[0])));
        rewrite.removeHandWritten();
        rewrite.hideInternals();
        rewrite.deliverCancellation();
        rewrite.findLibrary();
        rewrite.adaptRecords();
        rewrite.adaptToJava();
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
        // `encodePng` is for Python, which has pixels that are not in a Frame. Logging.kt takes the log.
        rule("((?: suspend)? fun) (?=`(?:native|encodePng`|setLogLevel`|takeLogRecords`|waitForLogRecords`))", " internal$1 ");
        rule("(?m)^(data class|enum class) (?=Log(Record|Level)\\b)", "internal $1 ");
        // Hand-written functions take their fields as named arguments.
        rule("(?m)^data class (?=ClientOptions|SandboxOptions)", "internal data class ");
        // `estimate` has an overload for each kind of request instead.
        rule("(?m)^sealed class (?=VideoRequest)", "internal sealed class ");
    }

    /** Adds a check for cancellation before a native call starts, inside the block that frees prepared arguments. */
    private void deliverCancellation() {
        rule("(?s)(suspend fun ?<T, F, E: kotlin\\.Exception> uniffiRustCallAsync\\(.*?\\): T \\{\\s*try \\{\\n)",
                "$1        beginCall()\n");
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

    /**
     * Adds builders to the records that callers create, and durations of {@code java.time} to all records.
     *
     * <p>Java sees neither default values nor {@code kotlin.time.Duration}. What is added has no use in Kotlin.
     */
    private void adaptToJava() {
        rule("(?m)^@file:Suppress", "@file:JvmName(\"ReelkinKt\")\n$0");
        rule("(?m)^(?=import java.math.BigDecimal$)", "import kotlin.time.toJavaDuration\nimport kotlin.time.toKotlinDuration\n");
        var built = new ArrayList<>(STARTED_IN_JAVA);
        built.addAll(CHANGED_IN_JAVA);
        var record = Pattern.compile("(?ms)^(data class (\\w+) \\((.*?)^\\)(?: : Media )?\\{.*?)^    companion object$");
        text = record.matcher(text).replaceAll(match -> {
            var name = match.group(2);
            var fields = Pattern.compile("(?m)^    val `(\\w+)`: ([^=\\n]+?)( = .+?)? *$").matcher(match.group(3)).results().toList();
            var durations = fields.stream().map(RewriteBindings::durationForJava).collect(Collectors.joining());
            var end = built.remove(name) ? builder(name, fields) : "    companion object";
            return Matcher.quoteReplacement(match.group(1) + durations + end);
        });
        if (!built.isEmpty()) {
            throw new IllegalStateException("rewrite the generated code: no records " + built);
        }
    }

    private static String durationForJava(MatchResult field) {
        var type = field.group(2);
        if (!type.startsWith("kotlin.time.Duration")) {
            return "";
        }
        return """
                    /** The [%1$s] for Java. */
                    @SinceKotlin("9999.0")
                    @get:JvmName("get%2$s")
                    val %1$sForJava: %3$s get() = `%1$s`%4$s.toJavaDuration()

                """.formatted(field.group(1), capitalized(field.group(1)), javaType(type), type.endsWith("?") ? "?" : "");
    }

    private static String builder(String record, List<MatchResult> fields) {
        var code = new StringBuilder("""
                    /** Returns a builder for Java that starts with the values of this record. */
                    @SinceKotlin("9999.0")
                    fun toBuilder(): Builder = Builder(this)

                    /** Builds the record in Java. */
                    class Builder internal constructor(private var record: %1$s) {
                        /** Returns the record. */
                        fun build(): %1$s = record
                """.formatted(record));
        for (var field : fields) {
            code.append("""

                            /** Sets [%2$s.%1$s]. */
                            fun `%1$s`(value: %3$s): Builder = apply { record = record.copy(`%1$s` = %4$s) }
                    """.formatted(field.group(1), record, javaType(field.group(2)), fromJava("value", field.group(2))));
        }
        code.append("    }\n\n");
        if (!STARTED_IN_JAVA.contains(record)) {
            return code.append("    companion object").toString();
        }
        var required = fields.stream().filter(field -> field.group(3) == null).toList();
        Function<Function<MatchResult, String>, String> list = item -> required.stream().map(item).collect(Collectors.joining(", "));
        var parameters = list.apply(field -> "`%s`: ".formatted(field.group(1)) + javaType(field.group(2)));
        var arguments = list.apply(field -> "`%1$s` = ".formatted(field.group(1)) + fromJava(field.group(1), field.group(2)));
        return code.append("""
                \s   companion object {
                        /** Returns a builder for Java. */
                        @SinceKotlin("9999.0")
                        @JvmStatic
                        fun builder(%2$s): Builder = Builder(%1$s(%3$s))
                    }""".formatted(record, parameters, arguments)).toString();
    }

    private static String javaType(String type) {
        return type.replaceFirst("^kotlin\\.time\\.", "java.time.").replaceFirst("^kotlin\\.UInt", "Int").replaceFirst("^kotlin\\.ULong", "Long");
    }

    /** Converts an argument of a {@link #javaType} to the type of its field. */
    private static String fromJava(String argument, String type) {
        var optional = type.endsWith("?") ? "?" : "";
        if (type.startsWith("kotlin.time.Duration")) {
            return argument + optional + ".toKotlinDuration()";
        }
        if (type.startsWith("kotlin.UInt") || type.startsWith("kotlin.ULong")) {
            return argument + optional + ".unsigned()";
        }
        return argument;
    }

    private static String capitalized(String name) {
        return Character.toUpperCase(name.charAt(0)) + name.substring(1);
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
