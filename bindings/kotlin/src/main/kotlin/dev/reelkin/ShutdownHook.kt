package dev.reelkin

/**
 * Shuts the native library down before the JVM exits, so that no native thread calls into a JVM that is gone.
 *
 * Every client is closed. Create requests that are being sent are waited for, at most 10 s.
 */
internal object ShutdownHook {
    /** Registers the shutdown hook on first use. False if the JVM is already shutting down; native calls then fail. */
    val isRegistered: Boolean = try {
        Runtime.getRuntime().addShutdownHook(Thread(::nativeShutDown, "reelkin-end"))
        true
    } catch (_: IllegalStateException) {
        false
    }
}
