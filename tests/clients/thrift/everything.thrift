/* Every type of the IDL, for the tests of both ends. */

enum Colour { RED = 1, GREEN = 2, BLUE = 250 }

struct Point {
  1: required i32 x
  2: optional i32 y = 7
}

union Shape {
  1: Point point
  2: double radius
  3: list<Point> polygon
}

struct Everything {
  1: bool yes
  2: i8 tiny
  3: i16 small
  4: i32 middle
  5: i64 large
  6: double real
  7: string text
  8: binary raw
  9: Colour colour
  10: Point point
  11: Shape shape
  12: list<i32> numbers
  13: set<string> names
  14: map<string, i64> sizes
  15: map<i32, list<Point>> paths
  16: list<map<string, list<bool>>> deep
  17: optional string absent
  18: optional i32 given = 42
  19: map<i64, double> reals
  20: list<binary> blobs
  300: i32 far
}

exception Refused {
  1: string why
  2: i32 code = 400
}

exception TooMuch {
  1: i64 limit
}

service Base {
  void ping()
}

service Everybody extends Base {
  Everything echo(1: Everything value)
  i64 add(1: i64 a, 2: i64 b)
  string refuse(1: i32 how) throws (1: Refused refused, 2: TooMuch too_much)
  binary blob(1: i32 size)
  oneway void note(1: string text)
  i32 notes()
  void sleep(1: i32 ms)
  string nothing()
}
