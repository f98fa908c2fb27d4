package io.quern.architecture;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * A compiled class and the packages of the project, and of JCuda, that its constant pool names.
 *
 * @param name the class, as in {@code io.quern.tensor.Shape}
 * @param references packages, its own included; all of JCuda's count as {@code jcuda}
 */
record ClassReferences(String name, Set<String> references) {
    /** Class names inside descriptors, generic signatures and annotations. */
    private static final Pattern IN_DESCRIPTOR = Pattern.compile("L((?:io/quern|jcuda)/[\\w/$]+)[;<]");

    static ClassReferences read(Path file) {
        try {
            ClassModel model = ClassFile.of().parse(Files.readAllBytes(file));
            Set<String> references = new TreeSet<>();
            for (PoolEntry entry : model.constantPool()) {
                if (entry instanceof ClassEntry type && !type.asInternalName().startsWith("[")) {
                    addPackage(type.asInternalName(), references);
                } else if (entry instanceof Utf8Entry text) {
                    // Wider than following each descriptor through its holder, and sees arrays of classes as well.
                    IN_DESCRIPTOR
                            .matcher(text.stringValue())
                            .results()
                            .forEach(match -> addPackage(match.group(1), references));
                }
            }
            return new ClassReferences(model.thisClass().asInternalName().replace('/', '.'), references);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String packageName() {
        return packageOf(name);
    }

    private static void addPackage(String internalName, Set<String> references) {
        if (internalName.startsWith("jcuda/")) {
            references.add("jcuda");
        } else if (internalName.startsWith("io/quern/")) {
            references.add(packageOf(internalName.replace('/', '.')));
        }
    }

    private static String packageOf(String className) {
        return className.substring(0, className.lastIndexOf('.'));
    }
}
