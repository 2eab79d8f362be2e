package dev.reelkin

import java.math.BigDecimal

/** Every clip that is kin of one clip, over any number of hops. A snapshot: what is made later is not in it. */
public class Family internal constructor(internal val native: NativeFamily) {
    /** All of them, parents before children. */
    public val members: List<Member> by lazy { native.members() }

    /** The clip that was asked about. */
    public val focus: Member get() = native.focus()

    /** The clip that the one asked about goes back to. */
    public val root: Member get() = native.root()

    /** What all of them cost in dollars, as far as is on record. */
    public val cost: BigDecimal get() = dollars(native.costUsdTicks())

    /** What the reader should know: a link that was left out, a clip that was renamed. */
    public val notes: List<String> get() = native.notes()

    /** One of them by its id. */
    public operator fun get(id: String): Member? = native.member(id)

    /** What a clip was made from; the first one is what it goes on from. */
    public fun parents(id: String): List<Member> = native.parents(id)

    /** What was made from a clip. */
    public fun children(id: String): List<Member> = native.children(id)

    /** All that was ever made from a clip. */
    public fun descendants(id: String): List<Member> = native.descendants(id)

    /** The clips from the root to a clip. */
    public fun pathTo(id: String): List<Member> = native.pathTo(id)

    /** The family as JSON. */
    public fun toJson(): String = native.toJson()

    /** The family as a Mermaid flowchart. */
    public fun toMermaid(): String = native.toMermaid()

    /** The family as a Graphviz graph. */
    public fun toGraphviz(): String = native.toGraphviz()

    override fun toString(): String = "Family(${members.size} of ${focus.id})"
}
