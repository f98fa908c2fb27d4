package io.quern.transformer.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import io.quern.transformer.TestModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HfCacheTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    @TempDir
    Path root;

    private HfCache cache;
    private Path repository;

    /** As huggingface_hub lays it out: blobs, and a snapshot of links to them. */
    @BeforeEach
    void fill() throws IOException {
        cache = new HfCache(root);
        repository = root.resolve("models--tiny--gpt2");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots/" + COMMIT));
        Path blobs = Files.createDirectories(repository.resolve("blobs"));
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs/main"), COMMIT);
        try (Stream<Path> files = Files.list(TestModels.folder("gpt2-tiny-hub"))) {
            for (Path f : files.toList()) {
                Path blob = Files.copy(f, blobs.resolve("blob-" + f.getFileName()));
                Files.createSymbolicLink(snapshot.resolve(f.getFileName()), snapshot.relativize(blob));
            }
        }
    }

    private Path snapshot() {
        return repository.resolve("snapshots/" + COMMIT);
    }

    @Test
    void aModelIsFoundByNameBranchAndCommit() {
        assertEquals(snapshot(), cache.model("tiny/gpt2"));
        assertEquals(snapshot(), cache.model("tiny/gpt2@main"));
        assertEquals(snapshot(), cache.model("tiny/gpt2@" + COMMIT));
        ModelDir model = ModelDir.find("tiny/gpt2", cache);
        assertEquals(512, model.config().vocabSize());
        model.load(Purpose.INFERENCE).close();
    }

    @Test
    void aFolderComesBeforeTheCache() {
        Path folder = TestModels.folder("gpt2-tiny");
        assertEquals(folder.toString(), ModelDir.find(folder.toString(), cache).name());
    }

    @Test
    void anAbsentModelIsNamed() {
        assertMessage(() -> cache.model("tiny/gpt3"), "tiny/gpt3 is not in the cache " + root, "hf download tiny/gpt3");
        assertMessage(() -> cache.model("tiny/gpt2@other"), "revision other of tiny/gpt2");
        assertMessage(() -> ModelDir.find("tiny/gpt3", cache), "tiny/gpt3");
        assertMessage(() -> ModelDir.find("no-such-folder", cache), "no-such-folder: no such folder");
    }

    @Test
    void aRefWithoutItsSnapshotIsAnError() throws IOException {
        Files.writeString(repository.resolve("refs/main"), COMMIT.replace('0', '1'));
        assertMessage(() -> cache.model("tiny/gpt2"), "there is no folder", "download it again");
        Files.writeString(repository.resolve("refs/main"), "../../../elsewhere");
        assertMessage(() -> cache.model("tiny/gpt2"), "does not hold the name of a commit");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "config.json",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors"
            })
    void aSnapshotWithoutAFileOrWithALinkToNothingIsIncomplete(String file) throws IOException {
        Files.delete(repository.resolve("blobs/blob-" + file));
        assertMessage(() -> cache.model("tiny/gpt2"), "incomplete", file);
        Files.delete(snapshot().resolve(file));
        String named = file.endsWith("index.json") ? "model.safetensors" : file;
        assertMessage(() -> cache.model("tiny/gpt2"), "incomplete", named);
    }

    @Test
    void theRootFollowsTheEnvironment() {
        Path home = Path.of("/home/me");
        assertEquals(Path.of("/home/me/.cache/huggingface/hub"), HfCache.root(Map.of(), home));
        assertEquals(Path.of("/c/huggingface/hub"), HfCache.root(Map.of("XDG_CACHE_HOME", "/c"), home));
        assertEquals(Path.of("/hf/hub"), HfCache.root(Map.of("HF_HOME", "/hf", "XDG_CACHE_HOME", "/c"), home));
        assertEquals(Path.of("/h"), HfCache.root(Map.of("HF_HUB_CACHE", "/h", "HF_HOME", "/hf"), home));
        assertEquals(Path.of("/home/me/hf/hub"), HfCache.root(Map.of("HF_HOME", "~/hf"), home));
    }

    @Test
    void namesThatCouldLeaveTheCacheAreNoRepositories() {
        assertTrue(HfCache.isRepository("openai-community/gpt2"));
        assertTrue(HfCache.isRepository("a/b@refs/pr/1"));
        for (String s : new String[] {"gpt2", "a/b/c", "../b", "a/..", "/b", "a/", "a/b@../x", "a/b@", "a\\b/c", ""}) {
            assertFalse(HfCache.isRepository(s), s);
        }
        assertMessage(() -> cache.snapshot("../gpt2"), "'../gpt2' is not of the form org/name");
    }

    private static void assertMessage(org.junit.jupiter.api.function.Executable code, String... parts) {
        String message = assertThrows(TensorException.class, code).getMessage();
        for (String p : parts) {
            assertTrue(message.contains(p), message);
        }
    }
}
