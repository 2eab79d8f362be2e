package dev.reelkin

import java.util.concurrent.CompletionStage
import java.util.function.Supplier
import kotlinx.coroutines.future.await

/**
 * Builds a [VideoClientFutures] in Java. The parameters of [VideoClient] describe the settings.
 *
 * Records with default values are changed with their builder, such as `ReelkinKt.defaultTimeouts().toBuilder()`.
 */
public class VideoClientBuilder internal constructor(private val library: String) {
    private var apiKey: String? = null
    private var baseUrl: String? = null
    private var budget: Budget? = null
    private var defaults: Defaults? = null
    private var validation: Validation? = null
    private var poll: PollPolicy? = null
    private var download: DownloadPolicy? = null
    private var rateLimit: RateLimit? = null
    private var timeouts: Timeouts? = null
    private var planner: PlannerSettings? = null
    private var models: String? = null
    private var proxy: String? = null
    private var noProxy: String? = null
    private var rootCertificates: String? = null
    private var token: (suspend () -> AccessToken)? = null

    /** Sets the API key. Defaults to the environment variable `XAI_API_KEY`. */
    public fun apiKey(value: String?): VideoClientBuilder = apply { apiKey = value }

    /** Sets the base URL of another server that speaks the service's protocol, such as [Sandbox.baseUrl]. */
    public fun baseUrl(value: String?): VideoClientBuilder = apply { baseUrl = value }

    /** Sets the spending limits. */
    public fun budget(value: Budget?): VideoClientBuilder = apply { budget = value }

    /** Sets the values for request parameters that are not set. */
    public fun defaults(value: Defaults?): VideoClientBuilder = apply { defaults = value }

    /** Sets what to do with a request that violates the model table. Strict by default. */
    public fun validation(value: Validation?): VideoClientBuilder = apply { validation = value }

    /** Sets how jobs are polled. */
    public fun poll(value: PollPolicy?): VideoClientBuilder = apply { poll = value }

    /** Sets the limits of downloads. */
    public fun download(value: DownloadPolicy?): VideoClientBuilder = apply { download = value }

    /** Sets the maximum request rate. */
    public fun rateLimit(value: RateLimit?): VideoClientBuilder = apply { rateLimit = value }

    /** Sets the timeouts of single requests to the service. */
    public fun timeouts(value: Timeouts?): VideoClientBuilder = apply { timeouts = value }

    /** Sets how and when prompts are planned. */
    public fun planner(value: PlannerSettings?): VideoClientBuilder = apply { planner = value }

    /** Sets a custom model table as TOML text. */
    public fun models(value: String?): VideoClientBuilder = apply { models = value }

    /** Sets the http or https proxy for calls of the API and downloads. */
    public fun proxy(value: String?): VideoClientBuilder = apply { proxy = value }

    /** Sets the targets that are reached without the proxy, separated by commas. */
    public fun noProxy(value: String?): VideoClientBuilder = apply { noProxy = value }

    /** Sets certificate authorities to trust besides those of the system, as PEM text. */
    public fun rootCertificates(value: String?): VideoClientBuilder = apply { rootCertificates = value }

    /**
     * Supplies tokens instead of a key, for example from your own server.
     *
     * The future is canceled after `Timeouts.token`. If it fails, the call fails with [VideoError.Auth] and nothing is
     * sent.
     */
    public fun token(value: Supplier<out CompletionStage<AccessToken>>?): VideoClientBuilder = apply {
        token = value?.let { source -> { source.get().await() } }
    }

    /**
     * Creates the client.
     *
     * @throws VideoError as the constructor of [VideoClient] does.
     */
    public fun build(): VideoClientFutures = VideoClientFutures(
        VideoClient(
            library, apiKey, baseUrl, budget, defaults, validation, poll, download, rateLimit, timeouts, planner, models, proxy,
            noProxy, rootCertificates, token,
        ),
    )

    override fun toString(): String = "VideoClientBuilder"
}
