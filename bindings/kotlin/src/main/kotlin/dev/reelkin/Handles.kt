package dev.reelkin

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * A work on its way. It only watches: letting go of it, cancelling [await] or a collection of [events] stops nothing.
 */
public sealed class Handle<out T, out E> {
    /** Whether it is over, one way or the other. */
    public abstract val isOver: Boolean

    /**
     * Waits until it is over, and gives what came of it. May be called again, also from elsewhere.
     *
     * Cancelling the coroutine ends the waiting and nothing else.
     *
     * @throws VideoError what the work ended with; [VideoError.Stopped] when somebody stopped waiting for it.
     */
    public abstract suspend fun await(): T

    /**
     * Everything that happens to it, from its beginning to its end, for each collector. The flow ends normally also
     * when the work fails: [await] says how it ended.
     */
    public abstract fun events(): Flow<E>

    /**
     * Stops waiting: polls and downloads end, and [await] with [VideoError.Stopped]. The service cannot cancel a job:
     * it goes on there, its charge stands, and [VideoClient.recover] saves its clip.
     */
    public abstract fun stopWaiting()
}

/** One job on its way to a clip. */
public class JobHandle internal constructor(private val native: NativeJob) : Handle<Clip, JobEvent>() {
    /** The service's id of the job: enough to pick it up again in any process with [VideoClient.job]. */
    public val id: String = native.id()

    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): Clip = native.wait()
    override fun events(): Flow<JobEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "JobHandle($id)"
}

/** A chain of clips on its way. */
public class ChainHandle internal constructor(private val native: NativeChain) : Handle<ChainOutcome, ChainEvent>() {
    /** The id of the chain, by which it is gone on with: [ChainStart.Record]. */
    public val id: String = native.id()

    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): ChainOutcome = native.wait()
    override fun events(): Flow<ChainEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "ChainHandle($id)"
}

/** A recovery on its way. */
public class RecoveryHandle internal constructor(private val native: NativeRecovery) :
    Handle<Recovered, RecoveryEvent>() {
    override val isOver: Boolean get() = native.isOver()
    override suspend fun await(): Recovered = native.wait()
    override fun events(): Flow<RecoveryEvent> = events({ native.events() }, { it.next() })
    override fun stopWaiting(): Unit = native.stopWaiting()
    override fun toString(): String = "RecoveryHandle"
}

/** A flow over what has a `next()`, with a reader of its own for each collector. */
private fun <S : Disposable, E : Any> events(open: () -> S, next: suspend (S) -> E?): Flow<E> = flow {
    open().use { source ->
        while (true) emit(next(source) ?: break)
    }
}
