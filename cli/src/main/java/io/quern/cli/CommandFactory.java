package io.quern.cli;

import java.lang.reflect.Constructor;
import picocli.CommandLine;

/** Makes commands, handing the {@link Output} to those whose constructor takes one. */
final class CommandFactory implements CommandLine.IFactory {
    private final Output output;
    private final CommandLine.IFactory plain = CommandLine.defaultFactory();

    CommandFactory(Output output) {
        this.output = output;
    }

    @Override
    public <K> K create(Class<K> type) throws Exception {
        for (Constructor<?> c : type.getDeclaredConstructors()) {
            if (c.getParameterCount() == 1 && c.getParameterTypes()[0] == Output.class) {
                return type.cast(c.newInstance(output));
            }
        }
        return plain.create(type);
    }
}
