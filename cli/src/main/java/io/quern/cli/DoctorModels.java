package io.quern.cli;

import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Finding;
import io.quern.transformer.hub.HfCache;
import io.quern.transformer.hub.ModelDir;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Models that a name reaches: the embedded one and those in Hugging Face's cache. */
final class DoctorModels {
    private DoctorModels() {}

    static List<Finding> findings(HfCache cache) {
        List<Finding> all = new ArrayList<>();
        all.add(Finding.of("embedded", describe(Models.open(null))));
        Path root = cache.root();
        List<String> names = cache.repositories();
        all.add(
                names.isEmpty()
                        ? Finding.missing(
                                "hugging_face",
                                root + (Files.isDirectory(root) ? ": no models" : ": no such folder"),
                                "hf download openai-community/gpt2 gets one; folders and .gguf files work without")
                        : Finding.of(
                                "hugging_face",
                                root + ": " + names.size() + (names.size() == 1 ? " model" : " models")));
        for (String name : names) {
            try {
                cache.model(name);
                all.add(Finding.of(name, "complete"));
            } catch (TensorException e) {
                all.add(Finding.missing(name, e.getMessage(), null));
            }
        }
        return all;
    }

    private static String describe(ModelDir dir) {
        return dir.config().toJson().path("architectures").path(0).asText() + ", vocabulary "
                + dir.config().vocabSize() + ", context " + dir.config().contextLength();
    }
}
