import Glibc

/// What threads have used of the processors.
package enum ProcessorTime {
  /// For how long the calling thread has run; unlike the time on a clock, without what other programs took.
  package static var ofThisThread: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
