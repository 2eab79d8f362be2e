"""The base class of `Family`, which notebooks display as a tree."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from reelkin._process import ProcessBound

if TYPE_CHECKING:
    from reelkin import _native

# A list of more clips is longer than anybody reads in a notebook.
MAX_LISTED = 500


class FamilyTree(ProcessBound):
    if TYPE_CHECKING:

        def members(self) -> list[_native.Member]: ...
        def focus(self) -> _native.Member: ...

    def _repr_html_(self) -> str:
        """Formats the family as nested lists. A clip with several parents is listed under the first one."""
        all_members = self.members()
        members = all_members[:MAX_LISTED]
        known = {member.id for member in members}
        children: dict[str, list[_native.Member]] = {}
        for member in members:
            parent = next((link.id for link in member.parents if link.id in known), "")
            children.setdefault(parent, []).append(member)

        focus = self.focus().id
        parts = ["<ul>"]
        # Without recursion, because a chain can be longer than the stack of Python.
        open_lists = [iter(children.get("", []))]
        while open_lists:
            for member in open_lists[-1]:
                parts.append(f"<li>{_label(member, member.id == focus)}</li>")
                if member.id in children:
                    open_lists.append(iter(children[member.id]))
                    parts.append("<ul>")
                    break
            else:
                open_lists.pop()
                parts.append("</ul>")
        left_out = len(all_members) - len(members)
        if left_out:
            parts.append(f"<p>and {left_out} more clips</p>")
        return "".join(parts)


def _label(member: _native.Member, is_focus: bool) -> str:
    name = f"<code>{html.escape(member.id)}</code>"
    words = [f"<b>{name}</b>" if is_focus else name, html.escape(member.operation or member.state.value)]
    if member.user_prompt:
        words.append(f"“{html.escape(member.user_prompt)}”")
    if member.cost is not None:
        words.append(f"${member.cost}")
    return " · ".join(words)
