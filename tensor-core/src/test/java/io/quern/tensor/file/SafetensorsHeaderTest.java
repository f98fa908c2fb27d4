package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Headers that the safetensors package for Python (0.8.0) accepts or refuses, found by asking it. */
class SafetensorsHeaderTest {
    private static final String A = "{'dtype':'F32','shape':[1],'data_offsets':[0,4]}";
    private static final String B = "{'dtype':'F32','shape':[1],'data_offsets':[4,8]}";

    private static Safetensors open(String header) {
        String text = header.replace("A", A).replace("B", B).replace('\'', '"');
        byte[] json = text.getBytes(StandardCharsets.UTF_8);
        int data = text.contains("8]") ? 8 : 4;
        return Safetensors.of(
                "test",
                ByteBuffer.allocate(8 + json.length + data)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(json.length)
                        .put(json)
                        .array());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'x':A}",
                "  {'x':A}\n\t ",
                "{'x':A,'x':A}",
                "{'x':B,'y':A}",
                "{'__metadata__':null,'x':A}",
                "{'__metadata__':{'k':'1','k':'2'},'x':A}",
                "{'x':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'more':{'a':[1]}}}",
                "{'x':{'dtype':'C64','shape':[1],'data_offsets':[0,8]}}",
                "{'x':{'dtype':'F6_E2M3','shape':[4],'data_offsets':[0,3]},'y':{'dtype':'U8','shape':[1],'data_offsets':[3,4]}}",
                "{'x\\ud83e\\udd93':A}",
            })
    void accepted(String header) {
        assertDoesNotThrow(() -> open(header).close());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'x':A,'x':B}",
                "{'x':A,'z':{'dtype':'F32','shape':[1],'data_offsets':[5,8]}}",
                "{'__metadata__':{},'__metadata__':{},'x':A}",
                "{'x':{'dtype':'F32','dtype':'F32','shape':[1],'data_offsets':[0,4]}}",
                "{'x':{'dtype':'f32','shape':[1],'data_offsets':[0,4]}}",
                "{'x':{'dtype':'Q8_0','shape':[32],'data_offsets':[0,4]}}",
                "{'x':{'dtype':'F4','shape':[7],'data_offsets':[0,4]}}",
                "\uFEFF{'x':A}",
                "{'x\\ud800':A}",
                "{'x':A}\u0000",
            })
    void refused(String header) {
        assertThrows(TensorException.class, () -> open(header).close());
    }

    @Test
    void theLastOfTwoCountsAndWhatTensorsDoNotHaveIsNotLoaded() {
        try (Safetensors s =
                open("{'__metadata__':{'k':'1','k':'2'},'x':{'dtype':'I64','shape':[1],'data_offsets':[0,8]}}")) {
            assertEquals("2", s.metadata().get("k"));
            assertThrows(TensorException.class, () -> Weights.map(s.get("x"), () -> {}));
        }
    }

    @Test
    void halfASurrogatePairInANameIsAnError(@TempDir Path folder) {
        try (Tensor t = Tensor.scalar(1)) {
            assertThrows(
                    TensorException.class,
                    () -> SafetensorsWriter.write(folder.resolve("w"), Map.of("x\ud800", t), Map.of()));
        }
    }
}
