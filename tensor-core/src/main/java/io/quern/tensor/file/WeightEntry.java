package io.quern.tensor.file;

import io.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;

/**
 * A tensor in a file.
 *
 * @param name of the tensor
 * @param type of its elements in the file
 * @param shape of the tensor
 * @param data its bytes, little-endian and row-major: a read-only part of the mapped file, valid until the source closes
 * @param file where it is, for messages
 */
public record WeightEntry(String name, StoredType type, Shape shape, MemorySegment data, String file) {}
