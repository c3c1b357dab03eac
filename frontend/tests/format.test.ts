import { describe, expect, test } from "vitest";
import { ago, bytes, clockOf, duration, finite, metric, number, percent, plain, span } from "../src/lib/format";

describe("numbers", () => {
  test("what is no number, or not finite, is told apart from zero", () => {
    expect(finite("NaN")).toBeNull();
    expect(finite(null)).toBeNull();
    expect(finite(0)).toBe(0);
    expect(number("NaN")).toBe("–");
    expect(number("-Infinity")).toBe("−∞");
    expect(number(0)).toBe("0");
  });

  test("keep significant digits, and powers of ten where there are many zeros", () => {
    expect(number(0.68123)).toBe("0.681");
    expect(number(12880)).toBe("12,880");
    expect(number(-4.25)).toBe("−4.25");
    expect(number(8.9e-8, 2)).toBe("8.9×10⁻⁸");
    expect(number(1e-5, 2)).toBe("1.0×10⁻⁵");
  });

  test("metrics follow their unit, and keep their decimals so that columns line up", () => {
    expect(metric(0.0031, "seconds")).toBe("3.10 ms");
    expect(metric(10.4, "per decision")).toBe("10.40");
    expect(metric(54, "label")).toBe("54.0");
    expect(metric(0.5)).toBe("0.500");
    expect(metric(412_000, "bytes")).toBe("412 kB");
    expect(metric(null, "seconds")).toBe("–");
  });

  test("shares, sizes and parameters", () => {
    expect(percent(0.9684)).toBe("96.8 %");
    expect(bytes(1_500_000)).toBe("1.50 MB");
    expect(plain(0.1)).toBe("0.1");
    expect(plain(150)).toBe("150");
    expect(plain(true)).toBe("true");
  });
});

describe("times", () => {
  test("lengths have two units at most", () => {
    expect(duration(0.0123)).toBe("12.3 ms");
    expect(duration(848)).toBe("14 min 8 s");
    expect(duration(86400)).toBe("1 d");
    expect(duration(null)).toBe("–");
  });

  test("spans are words", () => {
    expect(span(172_800)).toBe("2 days");
    expect(span(86_400 * 45)).toBe("45 days");
    expect(span(1)).toBe("1 second");
  });

  test("ago is told from the loop's clock, before and after it", () => {
    const now = Date.parse("2013-12-14T15:20:00Z");
    expect(ago("2013-12-13T00:00:00Z", now)).toBe("1 day ago");
    expect(ago("2013-12-14T15:19:50Z", now)).toBe("just now");
    expect(ago("2013-12-14T17:20:00Z", now)).toBe("in 2 hours");
  });
});

test("what has just happened does not lie in the future of a server that says whole minutes", () => {
  const told = Date.parse("2026-11-21T12:51:00Z");
  expect(clockOf(told, told + 35_000)).toBe(told + 35_000);
  expect(clockOf(told, told + 600_000)).toBe(told);
  expect(clockOf(told, told - 1)).toBe(told);
});
