package dev.reelkin

import kotlin.time.Duration
import kotlinx.coroutines.runBlocking

/**
 * The service on loopback: same routes, same strictness, real video, scripted faults. No account and no cost.
 *
 * ```
 * Sandbox.start().use { sandbox ->
 *     VideoClient("clips", apiKey = sandbox.apiKey, baseUrl = sandbox.baseUrl).use { client -> … }
 * }
 * ```
 */
public class Sandbox private constructor(private val native: NativeSandbox) : AutoCloseable {
    /** What a client takes for its base URL. */
    public val baseUrl: String = native.baseUrl()

    /** The key that is right. */
    public val apiKey: String = native.apiKey()

    /** What it has been asked, and what came of it. */
    public val state: SandboxState get() = native.state()

    /**
     * Adds faults to the script, behind those in force, as `reelkin sandbox --help` spells them.
     *
     * @throws VideoError.InvalidRequest for one that is none.
     */
    public fun addFaults(vararg faults: String): Unit = native.addFaults(faults.toList())

    /** Takes all faults out of the script. */
    public fun clearFaults(): Unit = native.clearFaults()

    /** Ends all links to clips that were given so far. */
    public fun expireLinks(): Unit = native.expireLinks()

    /** Goes down, and comes back at the same address. */
    public suspend fun restart(downtime: Duration): Unit = native.restart(downtime)

    /** Stops it and removes its clips. A second call does nothing. */
    public suspend fun stop(): Unit = native.stop()

    /** As [stop], blocking the thread, for `use {}`. */
    override fun close(): Unit = runBlocking { stop() }

    override fun toString(): String = "Sandbox($baseUrl)"

    public companion object {
        /**
         * Starts a sandbox.
         *
         * @param listen address and port; a free port of 127.0.0.1.
         * @param apiKey the key that is right; a random one.
         * @param secondsPerJob how long a job takes at least; 2.
         * @param zeroDataRetention whether every request must bring an upload address, as for a team that keeps no data.
         * @param linkLifetime how long a link to a clip works; 24 hours.
         * @param faults what is to go wrong, as `reelkin sandbox --help` spells it.
         * @throws VideoError.Config when the address cannot be bound, [VideoError.InvalidRequest] for a fault that is none.
         */
        public suspend fun start(
            listen: String? = null,
            apiKey: String? = null,
            secondsPerJob: Double? = null,
            zeroDataRetention: Boolean = false,
            linkLifetime: Duration? = null,
            faults: List<String> = emptyList(),
        ): Sandbox {
            EndOfProcess.isAwaited
            val options = SandboxOptions(listen, apiKey, secondsPerJob, zeroDataRetention, linkLifetime, faults)
            return Sandbox(nativeStartSandbox(options))
        }
    }
}
