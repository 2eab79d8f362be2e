package dev.reelkin

/**
 * Shuts the native library down before the JVM exits, so that no native thread calls into a JVM that is gone.
 *
 * Every client is closed. Create requests that are being sent are waited for, at most 10 s.
 */
internal object ShutdownHook {
    init {
        try {
            Runtime.getRuntime().addShutdownHook(Thread(::end, "reelkin-end"))
        } catch (_: IllegalStateException) {
            // The JVM is already shutting down, and native calls fail.
        }
    }

    /** Registers the hook on the first call, which initializes this object. */
    fun register() {}

    private fun end() {
        nativeShutDown()
        Logging.end()
    }
}
