package dev.reelkin

import java.math.BigDecimal

/**
 * A snapshot of the family of one clip: every clip that is related to it, directly or through other clips.
 *
 * Clips that are created later are not included.
 */
public class Family internal constructor(internal val native: NativeFamily) {
    /** All members, parents before children. */
    public val members: List<Member> by lazy { native.members() }

    /** The clip that the family was requested for. */
    public val focus: Member get() = native.focus()

    /** The oldest ancestor of [focus]. */
    public val root: Member get() = native.root()

    /** The recorded cost of all members in dollars. */
    public val cost: BigDecimal get() = native.cost()

    /** Remarks about the family, such as a link that was left out or a clip that was renamed. */
    public val notes: List<String> get() = native.notes()

    /** Returns the member with the given [id], or `null` if there is none. */
    public operator fun get(id: String): Member? = native.member(id)

    /** Returns the clips that a clip was made from. The first one is the clip that it continues. */
    public fun parents(id: String): List<Member> = native.parents(id)

    /** Returns the clips that were made from a clip. */
    public fun children(id: String): List<Member> = native.children(id)

    /** Returns all direct and indirect children of a clip. */
    public fun descendants(id: String): List<Member> = native.descendants(id)

    /** Returns the clips on the path from [root] to a clip. */
    public fun pathTo(id: String): List<Member> = native.pathTo(id)

    /** Formats the family as JSON. */
    public fun toJson(): String = native.toJson()

    /** Formats the family as a Mermaid flowchart. */
    public fun toMermaid(): String = native.toMermaid()

    /** Formats the family as a Graphviz graph. */
    public fun toGraphviz(): String = native.toGraphviz()

    override fun toString(): String = "Family(${members.size} of ${focus.id})"
}
