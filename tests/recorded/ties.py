#!/usr/bin/env python3
"""The order that `sequences` gives to events of one user at one time, by a second implementation.

    python3 tests/recorded/ties.py USER 'TIME' ACTION ACTION ... [--nth 1]

prints what tests/sql/sequences and src/sequence/order.rs expect: the actions sorted, then shuffled (Fisher and
Yates) by numbers from SplitMix64, whose seed is SipHash-2-4 of the user's text, the microseconds since 1970 and the
place of the tie-break among those of that time. SipHash after Aumasson and Bernstein, 2012; numbers below n after
Lemire, 2019.
"""

import argparse
from datetime import datetime, timedelta

WORD = 2**64 - 1


def siphash(key, data):
    v = [key ^ 0x736F6D6570736575, 0x646F72616E646F6D, key ^ 0x6C7967656E657261, 0x7465646279746573]
    turn = lambda x, bits: (x << bits | x >> (64 - bits)) & WORD

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & WORD
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & WORD
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & WORD
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & WORD
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    data += bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for at in range(0, len(data), 8):
        word = int.from_bytes(data[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def order(user, time_us, actions, nth=0):
    """`nth` counts the tie-breaks of that time, from 0."""
    place = user.encode() + time_us.to_bytes(8, "little", signed=True) + nth.to_bytes(8, "little")
    state, tied = siphash(0x74696573, place), sorted(actions, key=str.encode)
    for last in range(len(tied) - 1, 0, -1):
        while True:
            state = (state + 0x9E3779B97F4A7C15) & WORD
            x = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & WORD
            x = (x ^ x >> 27) * 0x94D049BB133111EB & WORD
            product = (x ^ x >> 31) * (last + 1)
            if product & WORD >= 2**64 % (last + 1):
                break
        other = product >> 64
        tied[last], tied[other] = tied[other], tied[last]
    return tied


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("user")
    parser.add_argument("time", type=datetime.fromisoformat)
    parser.add_argument("actions", nargs="+")
    parser.add_argument("--nth", type=int, default=0)
    arguments = parser.parse_args()
    assert siphash(0, b"") == 0x1E924B9D737700D7, "the reference vector"
    time_us = (arguments.time - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    print(f"[{', '.join(order(arguments.user, time_us, arguments.actions, arguments.nth))}]")


if __name__ == "__main__":
    main()
