package io.quern.tensor.file;

import io.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;

/**
 * A tensor in a file.
 *
 * @param name of the tensor
 * @param type of its elements in the file
 * @param shape of the tensor
 * @param data its bytes, little-endian: a read-only part of the mapped file, valid until the source closes
 * @param file where it is, for messages
 * @param transposed whether a matrix lies column by column: the data is that of its transpose, row-major
 */
public record WeightEntry(
        String name, StoredType type, Shape shape, MemorySegment data, String file, boolean transposed) {
    /** A tensor that lies row-major. */
    public WeightEntry(String name, StoredType type, Shape shape, MemorySegment data, String file) {
        this(name, type, shape, data, file, false);
    }

    /** The same matrix seen with rows and columns exchanged, under another name. */
    public WeightEntry transposed(String otherName) {
        return new WeightEntry(otherName, type, Shape.of(shape.dim(1), shape.dim(0)), data, file, !transposed);
    }

    /** The same tensor under another name. */
    public WeightEntry renamed(String otherName) {
        return new WeightEntry(otherName, type, shape, data, file, transposed);
    }

    /** The shape in which the data lies row-major. */
    Shape stored() {
        return transposed ? Shape.of(shape.dim(1), shape.dim(0)) : shape;
    }
}
