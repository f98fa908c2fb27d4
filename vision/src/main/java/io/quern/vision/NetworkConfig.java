package io.quern.vision;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.Module;
import java.util.List;

/**
 * Sizes and settings of a network on pictures, as {@code config.json} has them.
 *
 * @param <M> the network
 */
public interface NetworkConfig<M extends Module> {
    /** Of the pictures that go in: 1 for grey, 3 for colour. */
    int channels();

    /** Height and width of the pictures. */
    int imageSize();

    /** A network of this configuration whose parameters are what {@code init} makes. */
    M build(Init init);

    /** First values of a new network's parameters. */
    Init init(long seed);

    /** What checkpoints may call the parameter at {@code path}, by preference. */
    default List<Stored> stored(String path) {
        return List.of(Stored.whole(path));
    }

    /** Whether a checkpoint may have this tensor although the network has no use for it. */
    default boolean ignores(String name) {
        return false;
    }

    /** The contents of {@code config.json}, without the dtype. */
    ObjectNode toJson();

    /**
     * Where a checkpoint has a parameter: part {@code part} of {@code parts} equal ones of a tensor's rows.
     *
     * @param name of the tensor
     */
    record Stored(String name, int part, int parts) {
        public static Stored whole(String name) {
            return new Stored(name, 0, 1);
        }
    }
}
