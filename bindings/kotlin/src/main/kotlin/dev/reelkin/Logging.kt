package dev.reelkin

import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.seconds
import org.slf4j.Logger
import org.slf4j.LoggerFactory

/**
 * Passes the log of the native library to the SLF4J loggers `reelkin` and `reelkin.http`, if SLF4J is on the class path.
 *
 * The native library keeps only what a logger is enabled for, which is looked up at the beginning of each call.
 */
internal object Logging {
    private val bridge: LogBridge? = try {
        LogBridge()
    } catch (_: LinkageError) {
        null
    }

    fun begin() {
        bridge?.begin()
    }

    /** Logs what happened until now. */
    fun end() {
        bridge?.logAll()
    }
}

private class LogBridge {
    private val loggers: Map<String, Logger> = listOf("reelkin", "reelkin.http").associateWith(LoggerFactory::getLogger)
    private var level: LogLevel? = null
    private var isRunning = false

    @Synchronized
    fun begin() {
        val heard = LogLevel.entries.lastOrNull { level -> loggers.values.any { it.isEnabled(level) } }
        if (heard == level) return
        level = heard
        setLogLevel(heard)
        if (heard != null && !isRunning) {
            isRunning = true
            thread(isDaemon = true, name = "reelkin-log", block = ::run)
        }
    }

    private fun run() {
        while (true) {
            if (waitForLogRecords(WAIT)) logAll()
            synchronized(this) {
                isRunning = level != null
                if (!isRunning) return
            }
        }
    }

    // Under its own lock, so that a slow appender does not delay the beginning of a call.
    fun logAll() = synchronized(loggers) {
        for (record in takeLogRecords()) {
            val logger = loggers.getValue(record.logger)
            when (record.level) {
                LogLevel.ERROR -> logger.error(record.message)
                LogLevel.WARN -> logger.warn(record.message)
                LogLevel.INFO -> logger.info(record.message)
                LogLevel.DEBUG -> logger.debug(record.message)
            }
        }
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
    }
}
