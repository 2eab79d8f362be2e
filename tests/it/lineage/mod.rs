//! Parents, children and families of clips.

mod continuity;
mod deep;
mod family;
mod library;
mod scale;
