// Records what Java's SimpleDateFormat makes of patterns, times and texts, mostly spoiled ones. record.sh runs it.
//
// Lines of columns behind tabs: F pattern time text; P pattern text time (null: refused); E pattern error.

import java.io.PrintStream;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Locale;
import java.util.Random;
import java.util.TimeZone;

public class Dates {
    static final String[] COMMON = {
        "yyyy-MM-dd'T'HH:mm:ss.SSS", "yyyyMMddHHmmss", "dd/MM/yy h:mm a", "EEE, d MMM yyyy HH:mm:ss Z", "yyyy-MM-dd'T'HH:mm:ssXXX",
        "YYYY-'W'ww-u", "yyyy-DDD", "MMMM d, yyyy", "yyyy.MM.dd G 'at' HH:mm:ss z", "HH:mm:ss", "yyMMdd", "d MMM yy",
        "yyyy-MM-dd HH:mm:ss.SSSX", "ddMMyyyy", "W F E M yyyy", "yyyy w E", "yyyy MM F u", "yyyy-MM-dd G"};
    static final String[] LETTERS = {
        "yyyy", "yy", "y", "yyyyy", "YYYY", "YY", "M", "MM", "MMM", "MMMM", "L", "LLL", "LLLL", "d", "dd", "D", "DDD", "w", "ww", "W",
        "F", "E", "EEEE", "u", "a", "H", "HH", "k", "K", "h", "hh", "m", "mm", "s", "ss", "S", "SSS", "SSSSSS", "z", "zzzz", "Z", "X",
        "XX", "XXX", "G", "GGGG"};
    static final String[] BETWEEN = {"-", "/", " ", ":", ".", ", ", "'T'", "''", "", "_", "'of'", " 'Z'", "+", "é"};
    static final long CHANGE = -12219292800000L, DAY = 86400000L;

    static final Random RANDOM = new Random(20);
    static Date start;

    static String any(String[] of) {
        return of[RANDOM.nextInt(of.length)];
    }

    static SimpleDateFormat format(String pattern) {
        SimpleDateFormat format = new SimpleDateFormat(pattern, Locale.US);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        format.set2DigitYearStart(start);
        return format;
    }

    static String pattern() {
        if (RANDOM.nextInt(3) == 0) return any(COMMON);
        StringBuilder pattern = new StringBuilder();
        for (int n = 1 + RANDOM.nextInt(6); n > 0; n--) pattern.append(any(LETTERS)).append(any(BETWEEN));
        return pattern.append(RANDOM.nextInt(60) == 0 ? "'" : RANDOM.nextInt(60) == 0 ? "b" : "").toString();
    }

    static long time() {
        return switch (RANDOM.nextInt(4)) {
            case 0 -> (long) (RANDOM.nextDouble() * 4e12);
            case 1 -> (long) (RANDOM.nextDouble() * 2.6e14 - 6.5e13);
            case 2 -> CHANGE + (long) ((RANDOM.nextDouble() - 0.5) * 6e10);
            default -> (RANDOM.nextInt(60000) - 15000) * DAY;
        };
    }

    static String spoiled(String text, int times) {
        StringBuilder out = new StringBuilder(text);
        for (; times > 0 && out.length() > 0; times--) {
            int at = RANDOM.nextInt(out.length());
            char c = out.charAt(at);
            switch (RANDOM.nextInt(7)) {
                case 0 -> out.deleteCharAt(at);
                case 1 -> out.insert(at, (char) ('0' + RANDOM.nextInt(10)));
                case 2 -> out.setCharAt(at, (char) ('0' + RANDOM.nextInt(10)));
                case 3 -> out.insert(at, ' ');
                case 4 -> out.setLength(at);
                case 5 -> out.setCharAt(at, "ZeNTz+-:.aPdb ".charAt(RANDOM.nextInt(14)));
                default -> out.setCharAt(at, Character.isUpperCase(c) ? Character.toLowerCase(c) : Character.toUpperCase(c));
            }
        }
        return out.toString();
    }

    public static void main(String[] args) throws Exception {
        start = new SimpleDateFormat("yyyy-MM-dd z", Locale.US).parse("1943-11-14 UTC");
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (int i = 0; i < 200; i++) {
            String pattern = pattern();
            SimpleDateFormat format;
            try {
                format = format(pattern);
            } catch (IllegalArgumentException e) {
                out.println("E\t" + pattern + "\t" + e.getMessage());
                continue;
            }
            long time = time();
            String text = format.format(new Date(time));
            out.println("F\t" + pattern + "\t" + time + "\t" + text);
            for (int times = 0; times < 3; times++) {
                String given = spoiled(text, times), parsed;
                try {
                    // A format of its own: a zone that is read changes Java's.
                    parsed = String.valueOf(format(pattern).parse(given).getTime());
                } catch (ParseException e) {
                    parsed = "null";
                }
                out.println("P\t" + pattern + "\t" + given + "\t" + parsed);
            }
        }
        out.flush();
    }
}
