//! What is reserved, charged and recorded, and what a budget refuses.

mod budget;
mod estimate;
