package dev.reelkin

import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.thread
import kotlin.concurrent.withLock
import kotlin.time.Duration.Companion.seconds
import org.slf4j.Logger
import org.slf4j.LoggerFactory

/**
 * Passes the log of the native library to the SLF4J loggers `reelkin` and `reelkin.http`, if SLF4J is on the class path.
 *
 * The native library keeps only what a logger is enabled for, which is looked up at the beginning of each call, and by the
 * thread that logs. Whatever SLF4J or an appender throws, no call fails.
 */
internal object Logging {
    private val bridge = lazy {
        try {
            LogBridge()
        } catch (_: Throwable) {
            // SLF4J is missing, or its provider does not work. SLF4J has printed why.
            null
        }
    }

    fun begin() {
        bridge.value?.begin()
    }

    /** Logs what happened until now, at most for two seconds. Does nothing if no call was made. */
    fun end() {
        if (bridge.isInitialized()) bridge.value?.end()
    }
}

private class LogBridge {
    private val loggers: Map<String, Logger> = listOf("reelkin", "reelkin.http").associateWith(LoggerFactory::getLogger)
    private var level: LogLevel? = null
    private var isRunning = false
    // Apart from the monitor of this object, so that a slow appender does not delay the beginning of a call.
    private val logging = ReentrantLock()

    @Synchronized
    fun begin() {
        val heard = heardLevel()
        if (heard != level) {
            level = heard
            setLogLevel(heard)
        }
        if (heard != null && !isRunning) {
            isRunning = true
            thread(isDaemon = true, name = "reelkin-log", block = ::run)
        }
    }

    // On a thread of its own, because an appender can block, and can wait for the exit that waits for this.
    fun end() = thread(isDaemon = true, name = "reelkin-log-end", block = ::logAll).join(LONGEST_END_MILLIS)

    private fun run() {
        while (true) {
            if (waitForLogRecords(WAIT)) logAll()
            synchronized(this) {
                begin()
                isRunning = level != null
                if (!isRunning) return
            }
        }
    }

    private fun heardLevel(): LogLevel? = try {
        LogLevel.entries.lastOrNull { level -> loggers.values.any { it.isEnabled(level) } }
    } catch (_: Throwable) {
        // A filter of the program failed.
        level
    }

    private fun logAll() = logging.withLock {
        for (record in takeLogRecords()) {
            try {
                loggers.getValue(record.logger).log(record)
            } catch (_: Throwable) {
                // The log is the only place to report it. The next record is still logged.
            }
        }
    }

    private fun Logger.log(record: LogRecord) = when (record.level) {
        LogLevel.ERROR -> error(record.message)
        LogLevel.WARN -> warn(record.message)
        LogLevel.INFO -> info(record.message)
        LogLevel.DEBUG -> debug(record.message)
    }

    private fun Logger.isEnabled(level: LogLevel) = when (level) {
        LogLevel.ERROR -> isErrorEnabled
        LogLevel.WARN -> isWarnEnabled
        LogLevel.INFO -> isInfoEnabled
        LogLevel.DEBUG -> isDebugEnabled
    }

    private companion object {
        /** How long the thread waits before it looks whether a logger is still enabled. */
        val WAIT = 5.seconds
        const val LONGEST_END_MILLIS = 2000L
    }
}
