package io.quern.vision;

import io.quern.transformer.ConfigJson;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.AutoencoderConfig;
import java.nio.file.Files;
import java.nio.file.Path;

/** An autoencoder in a folder, with the files that classifiers have. */
public final class AutoencoderDir extends NetworkDir<Autoencoder, AutoencoderConfig> {
    private AutoencoderDir(Path folder) {
        super(folder, AutoencoderConfig::read);
    }

    /** Whether a folder holds an autoencoder. */
    public static boolean isOne(Path folder) {
        Path json = folder.resolve(CONFIG);
        return Files.exists(json) && AutoencoderConfig.supports(ConfigJson.read(json));
    }

    /**
     * Opens a folder.
     *
     * @throws io.quern.tensor.TensorException if it is missing or holds no autoencoder
     */
    public static AutoencoderDir open(Path folder) {
        return new AutoencoderDir(folder);
    }

    /** Writes an autoencoder in float32; {@code config.json}, by which a folder is one, comes last. */
    public static void save(Path folder, Autoencoder model, Preprocessor preprocessor) {
        write(folder, model, model.config(), preprocessor);
    }
}
