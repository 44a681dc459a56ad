/* What `hybridpress target --thrift-port` serves. */

enum Operation {
  ADD = 1,
  SUBTRACT = 2,
  MULTIPLY = 3,
  DIVIDE = 4
}

struct Work {
  1: i32 left = 0,
  2: required i32 right,
  3: required Operation operation,
  4: optional string comment
}

exception InvalidOperation {
  1: Operation operation,
  2: string why
}

service Calculator {
  /* Answers nothing. */
  void ping(),
  i64 add(1: i32 left, 2: i32 right),
  /* Divides to the lower whole number. */
  i64 calculate(1: Work work) throws (1: InvalidOperation invalid),
  string echo(1: string text),
  /* Answers after so many ms: an hour at most. */
  void delay(1: i32 ms),
  /* Not answered, but counted. */
  oneway void note(1: string text)
}
