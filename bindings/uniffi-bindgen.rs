//! Writes the private modules of the packages out of the built library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
