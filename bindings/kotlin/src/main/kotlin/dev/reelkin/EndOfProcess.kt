package dev.reelkin

/**
 * Ends the native threads before the JVM ends, so that none of them calls into a JVM that is gone: every client is
 * closed, a create that is being sent is waited for, at most 10 s.
 */
internal object EndOfProcess {
    /** False when the end had begun before the first use; then every call says so. */
    val isAwaited: Boolean = try {
        Runtime.getRuntime().addShutdownHook(Thread(::nativeShutDown, "reelkin-end"))
        true
    } catch (_: IllegalStateException) {
        false
    }
}
