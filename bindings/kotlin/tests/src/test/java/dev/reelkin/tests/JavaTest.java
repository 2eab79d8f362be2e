package dev.reelkin.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.reelkin.AccessToken;
import dev.reelkin.Budget;
import dev.reelkin.ChainRequest;
import dev.reelkin.ChainStart;
import dev.reelkin.Clip;
import dev.reelkin.ContinueRequest;
import dev.reelkin.EditRequest;
import dev.reelkin.ExtendRequest;
import dev.reelkin.FramePosition;
import dev.reelkin.Futures;
import dev.reelkin.GenerateRequest;
import dev.reelkin.JobEvent;
import dev.reelkin.MediaInput;
import dev.reelkin.MediaOptions;
import dev.reelkin.PlanChoice;
import dev.reelkin.ReelkinKt;
import dev.reelkin.Sandbox;
import dev.reelkin.VideoClientBuilder;
import dev.reelkin.VideoClientFutures;
import dev.reelkin.VideoError;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The package used from Java: futures, builders, durations and errors. */
@Timeout(60)
class JavaTest {
    @TempDir
    Path folder;

    private VideoClientBuilder builder(Sandbox sandbox) {
        var poll = ReelkinKt.defaultPollPolicy().toBuilder()
            .first(Duration.ofMillis(50)).shortest(Duration.ofMillis(50)).longest(Duration.ofMillis(200)).build();
        return VideoClientFutures.builder(folder.resolve("clips").toString()).baseUrl(sandbox.getBaseUrl()).poll(poll);
    }

    private static GenerateRequest.Builder street() {
        return GenerateRequest.builder().prompt("a street").duration(Duration.ofSeconds(2));
    }

    private static ContinueRequest rain() {
        return ContinueRequest.builder().prompt("rain").duration(Duration.ofSeconds(1)).plan(PlanChoice.Off.INSTANCE).build();
    }

    @Test
    void aFunctionForEventsThatThrowsLosesNoClip() throws Exception {
        try (var sandbox = Futures.startSandbox(Duration.ofMillis(200)).join();
             var client = builder(sandbox).apiKey(sandbox.getApiKey()).build()) {
            var clip = client.generate(street().build(), event -> {
                throw new IllegalStateException("the window is closed");
            }).get();
            assertTrue(Files.exists(clip.getPath()));
        }
    }

    @Test
    void everyOperation() throws Exception {
        try (var sandbox = Futures.startSandbox(Duration.ofMillis(200)).join();
             var client = builder(sandbox).apiKey(sandbox.getApiKey()).build()) {
            assertEquals(Duration.ofSeconds(2), client.estimate(street().build()).join().getDuration());
            var events = Collections.synchronizedList(new ArrayList<JobEvent>());
            var clip = client.generate(street().build(), events::add).get();
            assertInstanceOf(JobEvent.Saved.class, events.get(events.size() - 1));

            var file = new MediaInput.Path(clip.getPath());
            try (var last = client.frame(clip).get(); var same = Futures.frame(file).get()) {
                assertArrayEquals(last.toPng(), same.toPng());
                assertTrue(last.getTime().compareTo(Duration.ofSeconds(1)) > 0);
            }
            var positions = List.of(FramePosition.First.INSTANCE, Futures.frameAt(Duration.ofMillis(500)), Futures.frameNumber(3));
            var frames = Futures.frames(file, positions, MediaOptions.builder().deadline(Duration.ofSeconds(30)).build()).get();
            assertEquals(Duration.ofMillis(500), frames.get(1).getTime());
            assertEquals(Duration.ofSeconds(2), Futures.probe(file).get().getDuration());

            var input = new MediaInput.Clip(clip.getId());
            var next = client.continueFrom(clip, rain()).get();
            assertEquals(2, client.getLibrary().family(next).get().getMembers().size());
            client.edit(EditRequest.builder(input, "night").build()).get();
            client.extend(ExtendRequest.builder(input, "on").duration(Duration.ofSeconds(2)).build()).get();
            var chain = ChainRequest.builder(new ChainStart.Clip(input)).steps(List.of(rain())).budget(new BigDecimal("5")).build();
            assertTrue(client.estimate(chain).get().getCost().signum() > 0);
            client.chain(chain).get();
            var options = ReelkinKt.defaultAnalyzeOptions().toBuilder().frames(2).build();
            assertEquals(2, client.analyze(clip, options).get().getFrames().size());

            assertEquals(5, client.getLibrary().list().get().getClips().size());
            assertTrue(client.spent().get().getPaid().signum() > 0);
            client.shut().get();
            var closed = assertThrows(ExecutionException.class, () -> client.recover().get());
            assertInstanceOf(VideoError.Config.class, closed.getCause());
        }
    }

    @Test
    void errorsHaveTypes() {
        try (var sandbox = Futures.startSandbox(Duration.ofMillis(200), List.of("moderated=400")).join();
             var client = builder(sandbox).apiKey(sandbox.getApiKey()).build();
             var poor = builder(sandbox).apiKey(sandbox.getApiKey())
                 .budget(Budget.builder().perRequest(new BigDecimal("0.01")).build()).build()) {
            var error = assertThrows(CompletionException.class, () -> client.generate(street().build()).join());
            var moderated = assertInstanceOf(VideoError.Moderated.class, error.getCause());
            assertEquals("moderated", moderated.getCode());
            assertEquals(null, moderated.getRetryAfter());
            error = assertThrows(CompletionException.class, () -> poor.generate(street().build()).join());
            assertInstanceOf(VideoError.Budget.class, error.getCause());
            assertThrows(VideoError.InvalidRequest.class, () -> ReelkinKt.defaultAnalyzeOptions().toBuilder().frames(-1));
        }
    }

    @Test
    void cancelingAFutureOnlyEndsTheWait() throws Exception {
        cancelsAndRecovers(client -> client.generate(street().build()));
    }

    @Test
    void cancelingAFutureWithEventsOnlyEndsTheWait() throws Exception {
        cancelsAndRecovers(client -> client.generate(street().build(), event -> {}));
    }

    private void cancelsAndRecovers(Function<VideoClientFutures, CompletableFuture<Clip>> generate) throws Exception {
        try (var sandbox = Futures.startSandbox(Duration.ofSeconds(1)).join();
             var client = builder(sandbox).apiKey(sandbox.getApiKey()).build()) {
            var future = generate.apply(client);
            while (client.getLibrary().jobs().get().stream().noneMatch(job -> job.getJobId() != null)) Thread.sleep(20);
            future.cancel(true);
            assertThrows(CancellationException.class, future::join);
            // The coroutine ends a moment after its future, and until then the job is not interrupted.
            var saved = client.recover().get().getSaved();
            while (saved.isEmpty()) saved = client.recover().get().getSaved();
            assertEquals(1, saved.size());
            var jobId = saved.get(0).getRecord().getReelkin().getJobId();
            assertEquals(saved.get(0).getId(), client.resume(jobId).get().getId());
            assertEquals(1, client.getLibrary().list().get().getClips().size());
        }
    }

    @Test
    void tokens() throws Exception {
        try (var sandbox = Futures.startSandbox(Duration.ofMillis(200)).join()) {
            var token = AccessToken.builder(sandbox.getApiKey()).expiresIn(Duration.ofHours(1)).build();
            try (var client = builder(sandbox).token(() -> CompletableFuture.completedFuture(token)).build()) {
                assertTrue(client.visibleModels().get().size() > 0);
            }
            try (var client = builder(sandbox).token(() -> CompletableFuture.failedFuture(new IllegalStateException("none"))).build()) {
                var error = assertThrows(ExecutionException.class, () -> client.visibleModels().get());
                assertInstanceOf(VideoError.Auth.class, error.getCause());
                assertTrue(error.getCause().getMessage().contains("none"));
            }
        }
    }
}
