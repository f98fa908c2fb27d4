package io.quern.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts from files and from stdin, which must be UTF-8. */
final class TextInput {
    private TextInput() {}

    static String file(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IOException(file + " is a folder; a text file is needed");
        }
        return decode(file.toString(), Files.readAllBytes(file));
    }

    static String stdin(InputStream in) throws IOException {
        return decode("stdin", in.readAllBytes());
    }

    /** A command-line argument; bytes that were not UTF-8 have become unpaired surrogates or U+FFFD. */
    static String argument(String name, String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean paired = Character.isHighSurrogate(c)
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1));
            if (paired) {
                i++;
            } else if (Character.isSurrogate(c) || c == '\uFFFD') {
                throw new Errors.UsageException(name + ": the text is not valid UTF-8 at character " + i
                        + "; put it into a file and use -f to see where");
            }
        }
        return text;
    }

    private static String decode(String name, byte[] bytes) throws CharacterCodingException {
        var decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        var out = java.nio.CharBuffer.allocate(bytes.length);
        CoderResult result = decoder.decode(in, out, true);
        if (result.isError()) {
            throw new NotUtf8Exception(name + " is not valid UTF-8: byte " + in.position() + " is 0x"
                    + Integer.toHexString(bytes[in.position()] & 0xFF)
                    + "; convert it, for instance with iconv -t UTF-8");
        }
        return out.flip().toString();
    }

    /** Says which byte is wrong; the JDK's exception has no message. */
    private static final class NotUtf8Exception extends CharacterCodingException {
        private final String message;

        NotUtf8Exception(String message) {
            this.message = message;
        }

        @Override
        public String getMessage() {
            return message;
        }
    }
}
