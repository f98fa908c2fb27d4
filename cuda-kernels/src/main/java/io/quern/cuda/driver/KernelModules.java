package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** The kernels of a device, by name. The PTX of a family is loaded, and compiled by the driver, at its first use. */
final class KernelModules {
    private static final String FOLDER = "/io/quern/cuda/kernels/";

    private final CudaDevice device;
    private final Map<String, CUmodule> modules = new HashMap<>();
    private final Map<String, CUfunction> functions = new HashMap<>();
    private Map<String, String> familyOf;

    KernelModules(CudaDevice device) {
        this.device = device;
    }

    /** The SHA-256 of the sources, which the script that builds the PTX writes. */
    String sourcesHash() {
        return new String(read("kernels.sha256"), StandardCharsets.US_ASCII).strip();
    }

    CUfunction function(String kernel) {
        CUfunction known = functions.get(kernel);
        if (known != null) {
            return known;
        }
        CUfunction f = new CUfunction();
        device.check(
                JCudaDriver.cuModuleGetFunction(f, modules.computeIfAbsent(family(kernel), this::load), kernel),
                "finding kernel " + kernel);
        functions.put(kernel, f);
        return f;
    }

    /** From the index that the script which builds the PTX writes: a line a family, its name and its kernels. */
    private String family(String kernel) {
        if (familyOf == null) {
            familyOf = new HashMap<>();
            for (String line : List.of(new String(read("kernels.index"), StandardCharsets.UTF_8).split("\n"))) {
                String[] words = line.split(" ");
                for (int i = 1; i < words.length; i++) {
                    familyOf.put(words[i], words[0]);
                }
            }
        }
        String family = familyOf.get(kernel);
        if (family == null) {
            throw new TensorException("there is no CUDA kernel " + kernel);
        }
        return family;
    }

    private CUmodule load(String family) {
        device.enter();
        byte[] ptx = read(family + ".ptx.gz");
        CUmodule module = new CUmodule();
        device.check(
                JCudaDriver.cuModuleLoadData(module, java.util.Arrays.copyOf(ptx, ptx.length + 1)),
                "loading the kernels of " + family);
        return module;
    }

    private static byte[] read(String name) {
        try (InputStream in = KernelModules.class.getResourceAsStream(FOLDER + name)) {
            if (in == null) {
                throw new TensorException("the CUDA kernels are not in this build: " + FOLDER + name + " is missing");
            }
            return name.endsWith(".gz") ? new GZIPInputStream(in).readAllBytes() : in.readAllBytes();
        } catch (IOException e) {
            throw new TensorException("the CUDA kernels of this build are damaged: " + FOLDER + name + ": " + e, e);
        }
    }
}
