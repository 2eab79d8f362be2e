//! Where the values of a requested JSON object come from.

/// Provides the value of a field by its name and description.
pub(super) trait FieldSource {
    fn text(&self, name: &str, description: &str) -> String;
    /// Returns at least one text.
    fn list(&self, name: &str, description: &str) -> Vec<String>;
    fn number(&self, name: &str, description: &str) -> Option<f64>;
    fn boolean(&self, name: &str, description: &str) -> bool;
}
