package dev.reelkin

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * A handle for a running job, chain or recovery.
 *
 * A handle only observes. Dropping it, cancelling [await] or cancelling the collection of [events] does not affect the
 * job.
 */
public sealed class Handle<out T, out E> {
    /** Returns `true` if it has ended, successfully or not. */
    public abstract val isOver: Boolean

    /**
     * Awaits and returns the outcome. It can be called more than once and from several coroutines.
     *
     * Cancelling the coroutine only ends the wait.
     *
     * @throws VideoError if it failed; [VideoError.Stopped] after [stopWaiting] or when the client was closed.
     */
    public abstract suspend fun await(): T

    /**
     * Returns a cold flow of all events, including those before this call.
     *
     * The flow completes normally even if the job fails; [await] throws the error.
     */
    public abstract fun events(): Flow<E>

    /**
     * Stops polling and downloading. [await] then throws [VideoError.Stopped].
     *
     * The service cannot cancel a job: it continues there and is charged. [VideoClient.recover] saves its clip.
     */
    public abstract fun stopWaiting()
}

/** A handle for one job, which produces a clip. */
public class JobHandle internal constructor(private val native: NativeJob) : Handle<Clip, JobEvent>() {
    /** The id of the job at the service. [VideoClient.job] resumes the job with it in any process. */
    public val id: String = native.id()

    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): Clip = native.wait()
    override fun events(): Flow<JobEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "JobHandle($id)"
}

/** A handle for a chain of clips. */
public class ChainHandle internal constructor(private val native: NativeChain) : Handle<ChainOutcome, ChainEvent>() {
    /** The id of the chain. [ChainStart.Record] resumes the chain with it. */
    public val id: String = native.id()

    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): ChainOutcome = native.wait()
    override fun events(): Flow<ChainEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "ChainHandle($id)"
}

/** A handle for a recovery. */
public class RecoveryHandle internal constructor(private val native: NativeRecovery) :
    Handle<Recovered, RecoveryEvent>() {
    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): Recovered = native.wait()
    override fun events(): Flow<RecoveryEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "RecoveryHandle"
}

/** Returns a flow that opens a separate native event stream for each collector. */
private fun <S : Disposable, E : Any> events(open: () -> S, next: suspend (S) -> E?): Flow<E> = flow {
    open().use { source ->
        while (true) emit(next(source) ?: break)
    }
}
