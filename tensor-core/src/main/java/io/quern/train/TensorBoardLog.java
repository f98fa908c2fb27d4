package io.quern.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Writes a run as an event file that TensorBoard reads: the scalars {@code loss/train}, {@code loss/validation},
 * {@code learning_rate}, {@code gradient_norm} and the throughput. A resumed run begins another file in the same folder,
 * which TensorBoard joins.
 *
 * <p>A file is a sequence of TFRecords: the length of the data in 8 bytes, a masked CRC-32C of these, the data, a masked
 * CRC-32C of it, all little-endian. The data is an {@code Event} message in protobuf's wire format. Source:
 * {@code tensorflow/core/lib/io/record_writer.h} and {@code tensorflow/core/util/event.proto}.
 */
public final class TensorBoardLog implements TrainListener {
    private static final int MASK_DELTA = 0xa282ead8;

    // Tags of protobuf fields: the number, times 8, plus the wire type.
    private static final int EVENT_WALL_TIME = 1 << 3 | 1;
    private static final int EVENT_STEP = 2 << 3;
    private static final int EVENT_FILE_VERSION = 3 << 3 | 2;
    private static final int EVENT_SUMMARY = 5 << 3 | 2;
    private static final int SUMMARY_VALUE = 1 << 3 | 2;
    private static final int VALUE_TAG = 1 << 3 | 2;
    private static final int VALUE_SIMPLE = 2 << 3 | 5;

    private final Path folder;
    private Path file;
    private String throughput = "items_per_second";

    /** A log whose file is made in {@code folder} when the run begins. */
    public TensorBoardLog(Path folder) {
        this.folder = folder;
    }

    @Override
    public void on(TrainEvent event) throws IOException {
        switch (event) {
            case TrainEvent.Started e -> open(e);
            case TrainEvent.Step e -> write(e.step(), scalars(e));
            default -> {}
        }
    }

    private void open(TrainEvent.Started e) throws IOException {
        throughput = e.unit() + "_per_second";
        Files.createDirectories(folder);
        long millis = System.currentTimeMillis();
        file = folder.resolve("events.out.tfevents.%010d.quern.%d.%d"
                .formatted(millis / 1000, ProcessHandle.current().pid(), e.step()));
        ByteArrayOutputStream version = begin(0);
        bytes(version, EVENT_FILE_VERSION, "brain.Event:2".getBytes(StandardCharsets.UTF_8));
        append(version.toByteArray());
    }

    private Map<String, Double> scalars(TrainEvent.Step e) {
        Map<String, Double> m = new LinkedHashMap<>();
        m.put("loss/train", e.loss());
        if (e.isValidated()) {
            m.put("loss/validation", e.validationLoss());
        }
        m.put("learning_rate", e.lr());
        m.put("gradient_norm", e.gradNorm());
        m.put(throughput, e.itemsPerSecond());
        return m;
    }

    private void write(long step, Map<String, Double> scalars) throws IOException {
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        scalars.forEach((tag, x) -> {
            ByteArrayOutputStream value = new ByteArrayOutputStream();
            bytes(value, VALUE_TAG, tag.getBytes(StandardCharsets.UTF_8));
            value.write(VALUE_SIMPLE);
            value.writeBytes(little(4).putFloat(x.floatValue()).array());
            bytes(summary, SUMMARY_VALUE, value.toByteArray());
        });
        ByteArrayOutputStream event = begin(step);
        bytes(event, EVENT_SUMMARY, summary.toByteArray());
        append(event.toByteArray());
    }

    private static ByteArrayOutputStream begin(long step) {
        ByteArrayOutputStream event = new ByteArrayOutputStream();
        event.write(EVENT_WALL_TIME);
        event.writeBytes(
                little(8).putDouble(System.currentTimeMillis() / 1000.0).array());
        event.write(EVENT_STEP);
        varint(event, step);
        return event;
    }

    private static void bytes(ByteArrayOutputStream to, int tag, byte[] bytes) {
        to.write(tag);
        varint(to, bytes.length);
        to.writeBytes(bytes);
    }

    /** Seven bits a byte, the lowest first; the highest bit says that more follow. */
    private static void varint(ByteArrayOutputStream to, long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            to.write((int) (rest & 0x7F | 0x80));
            rest >>>= 7;
        }
        to.write((int) rest);
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Opened for each record: nothing has to be closed when a run fails, and all is there when it is killed. */
    private void append(byte[] data) throws IOException {
        byte[] length = little(8).putLong(data.length).array();
        ByteBuffer record = little(16 + data.length);
        record.put(length).putInt(masked(length)).put(data).putInt(masked(data));
        Files.write(file, record.array(), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static int masked(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return Integer.rotateRight((int) crc.getValue(), 15) + MASK_DELTA;
    }
}
