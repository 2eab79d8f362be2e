package dev.reelkin

import kotlin.time.Duration
import kotlinx.coroutines.runBlocking

/**
 * A local server that speaks the service's protocol, renders real video and injects faults. It needs no account and
 * costs nothing.
 *
 * ```
 * Sandbox.start().use { sandbox ->
 *     VideoClient("clips", apiKey = sandbox.apiKey, baseUrl = sandbox.baseUrl).use { client -> … }
 * }
 * ```
 */
public class Sandbox private constructor(private val native: NativeSandbox) : AutoCloseable {
    /** The base URL for clients of this sandbox. */
    public val baseUrl: String = native.baseUrl()

    /** The API key that the sandbox accepts. */
    public val apiKey: String = native.apiKey()

    /** The jobs, the counters of requests and results, and the faults that are in force. */
    public val state: SandboxState get() = native.state()

    /**
     * Adds faults after the existing ones, in the syntax of `reelkin sandbox --help`.
     *
     * @throws VideoError.InvalidRequest if one does not parse.
     */
    public fun addFaults(vararg faults: String): Unit = native.addFaults(faults.toList())

    /** Removes all faults. */
    public fun clearFaults(): Unit = native.clearFaults()

    /** Expires all download links issued so far. */
    public fun expireLinks(): Unit = native.expireLinks()

    /** Closes all connections, refuses new ones for a time, and then serves again at the same address. */
    public suspend fun restart(downtime: Duration): Unit = native.restart(downtime)

    /**
     * Stops the sandbox and deletes its clips. Does nothing if it is stopped already. If a restart is in progress, the
     * sandbox stops when the restart ends.
     */
    public suspend fun stop(): Unit = native.stop()

    /** Stops the sandbox like [stop], but blocks the thread. For `use {}`. */
    override fun close(): Unit = runBlocking { stop() }

    override fun toString(): String = "Sandbox($baseUrl)"

    public companion object {
        /**
         * Starts a sandbox.
         *
         * @param listen the address and port to listen on. Defaults to a free port of 127.0.0.1.
         * @param apiKey the API key to accept. Defaults to a random one.
         * @param minJobDuration minimum duration of a job. Defaults to 2 s.
         * @param zeroDataRetention whether every request needs an upload URL, as for teams with zero data retention.
         * @param linkLifetime how long download links stay valid. Defaults to 24 hours.
         * @param faults the faults to inject, in the syntax of `reelkin sandbox --help`.
         * @throws VideoError.Config if the address cannot be bound.
         * @throws VideoError.InvalidRequest if a fault does not parse.
         */
        public suspend fun start(
            listen: String? = null,
            apiKey: String? = null,
            minJobDuration: Duration? = null,
            zeroDataRetention: Boolean = false,
            linkLifetime: Duration? = null,
            faults: List<String> = emptyList(),
        ): Sandbox {
            ShutdownHook.register()
            val options = SandboxOptions(listen, apiKey, minJobDuration, zeroDataRetention, linkLifetime, faults)
            return Sandbox(nativeStartSandbox(options))
        }
    }
}
