// A hidden line of the book's examples includes this file, so that they run with a sandbox instead of the service.
// Paths are complete, because an example can import the same names.

/// The state in which an example starts. Examples declare their variables in this order, so that the folder is removed
/// last.
struct Example {
    /// The current folder, empty except for the library `clips`.
    folder: tempfile::TempDir,
    sandbox: reelkin::sandbox::Sandbox,
    /// A client of the sandbox.
    client: reelkin::VideoClient,
    /// The one clip in the library.
    clip: reelkin::Clip,
}

impl Example {
    async fn start() -> reelkin::Result<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Each doctest has its own process.
        std::env::set_current_dir(folder.path()).expect("enter the temporary folder");
        let sandbox = reelkin::sandbox::Sandbox::builder().min_job_duration(std::time::Duration::from_millis(100)).start().await?;
        let mut poll = reelkin::PollPolicy::default();
        // The sandbox has no queue, so jobs finish sooner.
        poll.first = std::time::Duration::from_millis(100);
        poll.shortest = poll.first;
        let client = reelkin::VideoClient::builder()
            .base_url(sandbox.base_url())
            .api_key(sandbox.api_key())
            .library("clips")
            .poll(poll)
            .build()?;
        let request = reelkin::GenerateRequest::text("a harbor at noon").duration(reelkin::secs(2));
        let clip = client.generate(request).await?;
        Ok(Self { folder, sandbox, client, clip })
    }
}
