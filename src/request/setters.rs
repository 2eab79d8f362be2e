//! The builder methods that several requests share.

/// Defines the named builder methods of a request. Each sets the field of the same name.
macro_rules! setters {
    ($request:ident: $($name:ident),+) => {
        impl $request {
            $(setters!(@$name);)+
        }
    };
    (@model) => {
        /// Sets the model.
        pub fn model(mut self, model: impl Into<crate::model::VideoModel>) -> Self {
            self.model = Some(model.into());
            self
        }
    };
    (@duration) => {
        /// Sets the length of the new clip, in whole seconds.
        pub const fn duration(mut self, duration: std::time::Duration) -> Self {
            self.duration = Some(duration);
            self
        }
    };
    (@resolution) => {
        /// Sets the resolution.
        pub fn resolution(mut self, resolution: impl Into<crate::model::Resolution>) -> Self {
            self.resolution = Some(resolution.into());
            self
        }
    };
    (@audio) => {
        /// Sets whether the clip has sound.
        pub const fn audio(mut self, audio: bool) -> Self {
            self.audio = Some(audio);
            self
        }
    };
    (@user) => {
        /// Sets the id of your end user.
        pub fn user(mut self, user: impl Into<String>) -> Self {
            self.user = Some(user.into());
            self
        }
    };
    (@storage) => {
        /// Makes the service also keep the result in its Files API.
        pub fn storage(mut self, storage: crate::request::StorageOptions) -> Self {
            self.storage = Some(storage);
            self
        }
    };
    (@output) => {
        /// Sets where the service uploads the result.
        pub fn output(mut self, target: crate::request::UploadTarget) -> Self {
            self.output = Some(target);
            self
        }
    };
    (@transport) => {
        /// Sets how a local clip is sent.
        pub const fn transport(mut self, transport: crate::request::TransportChoice) -> Self {
            self.transport = transport;
            self
        }
    };
    (@plan) => {
        /// Sets whether a language model rewrites the prompt first: `true`, `false`, or settings for this request.
        pub fn plan(mut self, choice: impl Into<crate::request::PlanChoice>) -> Self {
            self.plan = choice.into();
            self
        }
    };
}
