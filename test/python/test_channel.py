"""erlang.Channel: every method and what it raises, without a BEAM."""
from __future__ import annotations

import copy
import gc
import inspect
import pickle
import sys
import threading
import time
import unittest
import weakref

from channel_case import DECODE_ERRORS, byte_channel, channel, put, term

import erlang
from erlang import Channel, ChannelClosed


class Receiving(unittest.TestCase):
    def test_messages_come_in_the_order_in_which_they_were_sent(self) -> None:
        ch = channel(*range(1000))
        self.assertEqual([ch.receive() for _ in range(1000)], list(range(1000)))

    def test_each_receiving_method_takes_the_next_message(self) -> None:
        ch = channel(1, 2, 3, 4)
        found = [ch.receive(), ch.try_receive(), next(ch), ch.receive(timeout_ms=0)]
        self.assertEqual(found, [1, 2, 3, 4])

    def test_none_is_a_message(self) -> None:
        ch = channel(None, 1, None)
        self.assertEqual([ch.receive(), ch.receive(), ch.receive(0)], [None, 1, None])
        with self.assertRaises(TimeoutError):
            ch.receive(0)

    def test_iteration_gives_none_too_and_ends_with_the_channel(self) -> None:
        ch = channel(1, None, 2, None)
        ch._test_end()
        self.assertEqual(list(ch), [1, None, 2, None])
        self.assertEqual(list(ch), [])

    def test_try_receive_of_an_empty_channel_is_none(self) -> None:
        self.assertIsNone(channel().try_receive())

    def test_a_timeout_is_a_timeout_error_and_takes_nothing(self) -> None:
        ch = channel()
        for timeout_ms in (0, 1, 20):
            with self.assertRaisesRegex(TimeoutError, "^channel receive timeout$"):
                ch.receive(timeout_ms)
        put(ch, "later")
        self.assertEqual(ch.receive(1), "later")

    def test_a_timeout_lasts_as_long_as_it_says(self) -> None:
        began = time.monotonic()
        with self.assertRaises(TimeoutError):
            channel().receive(50)
        self.assertGreaterEqual(time.monotonic() - began, 0.05)

    def test_a_closed_channel_is_read_to_its_end(self) -> None:
        ch = channel(1, 2)
        ch._test_end()
        self.assertEqual((ch.receive(), ch.try_receive()), (1, 2))
        for receive in (ch.receive, ch.try_receive, lambda: ch.receive(0), lambda: ch.receive(5)):
            with self.assertRaisesRegex(ChannelClosed, "^Channel has been closed$"):
                receive()

    def test_a_message_that_cannot_be_decoded_is_an_error_for_that_message_only(self) -> None:
        for message, error in DECODE_ERRORS:
            ch = channel(1)
            ch._test_put(message)
            put(ch, 2)
            self.assertEqual(ch.receive(), 1)
            with self.assertRaises(error):
                ch.receive()
            self.assertEqual(ch.receive(), 2)

    def test_an_undecodable_message_does_not_end_an_iteration_silently(self) -> None:
        for message, error in DECODE_ERRORS:
            ch = channel()
            ch._test_put(message)
            put(ch, 2)
            ch._test_end()
            with self.assertRaises(error):
                next(ch)
            self.assertEqual(list(ch), [2])

    def test_wrong_timeouts_are_refused_by_name(self) -> None:
        ch = channel(1)
        for wrong in (-2, 2**32, 2**70, -(2**70)):
            with self.assertRaisesRegex(ValueError, r"receive\(\) timeout_ms must be -1"):
                ch.receive(wrong)
        for wrong in ("1", 1.0, [], object()):
            with self.assertRaisesRegex(TypeError, r"receive\(\) timeout_ms must be an integer"):
                ch.receive(wrong)
        with self.assertRaisesRegex(TypeError, "'timeout'"):
            ch.receive(timeout=1)
        with self.assertRaisesRegex(TypeError, "at most 1 argument"):
            ch.receive(1, 2)
        self.assertEqual(ch.receive(2**32 - 1), 1)

    def test_none_is_no_limit(self) -> None:
        self.assertEqual(channel(1).receive(None), 1)

    def test_an_integer_like_timeout_is_taken(self) -> None:
        class Zero:
            def __index__(self) -> int:
                return 0

        with self.assertRaises(TimeoutError):
            channel().receive(Zero())


class Sending(unittest.TestCase):
    def test_terms_go_out_in_order(self) -> None:
        ch = channel()
        self.assertIsNone(ch.send(1))
        self.assertTrue(ch.try_send("two"))
        ch.send(None, timeout_ms=0)
        self.assertEqual(ch._test_sent(), [b"\x83a\x01", term("two"), term(None)])

    def test_the_size_of_a_message_is_that_of_its_term(self) -> None:
        ch = channel(max_size=9)
        self.assertEqual([ch.try_send(1) for _ in range(4)], [True, True, True, False])

    def test_room_comes_back_when_erlang_takes(self) -> None:
        ch = channel(max_size=3)
        ch.send(1)
        self.assertFalse(ch.try_send(2))
        ch._test_take(3)
        self.assertTrue(ch.try_send(2))
        self.assertEqual(len(ch._test_sent()), 2)

    def test_without_room_a_send_times_out_and_sends_nothing(self) -> None:
        ch = channel(max_size=3)
        ch.send(1)
        for timeout_ms in (0, 20):
            with self.assertRaisesRegex(TimeoutError, "^channel send timeout$"):
                ch.send(2, timeout_ms)
        self.assertEqual(len(ch._test_sent()), 1)

    def test_a_message_that_never_fits_is_refused_with_both_numbers(self) -> None:
        ch = channel(max_size=4)
        for send in (ch.send, ch.try_send):
            with self.assertRaisesRegex(ValueError, "of 7 bytes never fits.* max_size is 4"):
                send("a")
        self.assertEqual(ch._test_sent(), [])

    def test_what_cannot_be_encoded_is_not_sent(self) -> None:
        ch = channel(max_size=100)
        deep: list[object] = []
        deep.append(deep)
        for wrong, error in ((deep, RecursionError), ("\ud800", ValueError)):
            for send in (ch.send, ch.try_send):
                with self.assertRaises(error):
                    send(wrong)
        self.assertEqual(ch._test_sent(), [])
        self.assertTrue(ch.try_send("x" * 94))

    def test_a_closed_channel_takes_nothing(self) -> None:
        for end in (Channel.close, Channel._test_end):
            ch = channel()
            end(ch)
            for send in (ch.send, ch.try_send):
                with self.assertRaisesRegex(ChannelClosed, "^Channel has been closed$"):
                    send(1)
            self.assertEqual(ch._test_sent(), [])

    def test_encoding_may_send_on_the_same_channel(self) -> None:
        ch = channel()

        class Sends:
            def __str__(self) -> str:
                ch.send("inner")
                return "outer"

        ch.send([Sends(), Sends()])
        sent = ch._test_sent()
        self.assertEqual(sent[:2], [term("inner"), term("inner")])
        self.assertEqual(sent[2].count(b"outer"), 2)
        self.assertEqual(len(sent), 3)

    def test_a_large_message_leaves_no_memory_behind_in_small_ones(self) -> None:
        ch = channel()
        ch.send("x" * 1_000_000)
        ch.send(1)
        large, small = ch._test_sent()
        self.assertEqual((len(large), small), (1_000_006, b"\x83a\x01"))

    def test_wrong_arguments_are_refused_by_name(self) -> None:
        ch = channel()
        with self.assertRaisesRegex(TypeError, r"send\(\) takes at least 1 argument \(0 given\)"):
            ch.send()
        with self.assertRaisesRegex(TypeError, r"send\(\) takes at most 2 arguments \(3 given\)"):
            ch.send(1, 2, 3)
        with self.assertRaisesRegex(TypeError, "'timeout'"):
            ch.send(1, timeout=1)
        with self.assertRaisesRegex(TypeError, "0 given"):
            ch.send(timeout_ms=1)
        with self.assertRaisesRegex(ValueError, r"send\(\) timeout_ms"):
            ch.send(1, -2)
        with self.assertRaisesRegex(TypeError, r"send\(\) timeout_ms"):
            ch.send(1, timeout_ms="1")
        self.assertEqual(ch._test_sent(), [])


class Ends(unittest.TestCase):
    def test_close_is_quiet_and_idempotent(self) -> None:
        ch = channel(1)
        self.assertFalse(ch.closed)
        self.assertIsNone(ch.close())
        self.assertTrue(ch.closed)
        self.assertIsNone(ch.close())

    def test_after_close_what_erlang_sent_is_still_received(self) -> None:
        ch = channel(1)
        ch.close()
        put(ch, 2)
        self.assertEqual((ch.receive(), ch.receive()), (1, 2))
        with self.assertRaises(TimeoutError):
            ch.receive(0)
        ch._test_end()
        with self.assertRaises(ChannelClosed):
            ch.receive()

    def test_the_end_of_erlang_is_a_close(self) -> None:
        ch = channel(1)
        ch._test_end()
        self.assertTrue(ch.closed)
        self.assertEqual(ch.receive(), 1)

    def test_with_closes_at_the_end_and_passes_exceptions_on(self) -> None:
        with channel() as ch:
            self.assertFalse(ch.closed)
        self.assertTrue(ch.closed)
        with self.assertRaises(KeyError), channel() as ch:
            raise KeyError
        self.assertTrue(ch.closed)


class TheObject(unittest.TestCase):
    def test_a_channel_of_a_channel_is_itself(self) -> None:
        ch = channel()
        self.assertIs(Channel(ch), ch)

    def test_other_things_are_no_channels(self) -> None:
        for wrong in (1, None, "x", object(), erlang.atom("x")):
            with self.assertRaisesRegex(TypeError, "^expected channel reference$"):
                Channel(wrong)
        with self.assertRaisesRegex(TypeError, "is a channel of bytes: use it as erlang.ByteCh"):
            Channel(byte_channel())

    def test_it_is_called_with_one_argument(self) -> None:
        for arguments, names in (((), {}), ((1, 2), {}), ((), {"channel": channel()})):
            with self.assertRaisesRegex(TypeError, "exactly one argument"):
                Channel(*arguments, **names)

    def test_repr_tells_the_state(self) -> None:
        ch = channel(1)
        self.assertEqual(repr(ch), "<erlang.Channel 0 open messages=1>")
        ch._test_end()
        ch.receive()
        self.assertEqual(repr(ch), "<erlang.Channel 0 closed messages=0>")

    def test_it_is_always_true(self) -> None:
        self.assertTrue(channel())

    def test_it_is_equal_to_itself_only(self) -> None:
        one, two = channel(), channel()
        self.assertEqual(one, one)
        self.assertNotEqual(one, two)
        self.assertEqual(len({one, two, one}), 2)

    def test_it_is_an_iterator_of_both_kinds(self) -> None:
        ch = channel()
        self.assertIs(iter(ch), ch)
        self.assertIs(ch.__aiter__(), ch)

    def test_it_has_no_subclasses_and_no_new_attributes(self) -> None:
        with self.assertRaises(TypeError):
            type("Mine", (Channel,), {})
        with self.assertRaises(AttributeError):
            channel().other = 1
        with self.assertRaises(TypeError):
            Channel.other = 1
        with self.assertRaises(AttributeError):
            channel().closed = True

    def test_it_is_neither_copied_nor_pickled(self) -> None:
        for take in (copy.copy, copy.deepcopy, pickle.dumps):
            with self.assertRaises(TypeError):
                take(channel())

    def test_it_goes_with_its_last_reference_and_its_messages_too(self) -> None:
        ch = channel("x" * 1000)
        watch = weakref.ref(ch)
        del ch
        self.assertIsNone(watch())

    def test_nothing_is_left_of_messages_that_were_received(self) -> None:
        ch, marker = channel(), "y" * 100
        references = sys.getrefcount(ch), sys.getrefcount(marker)
        for _ in range(100):
            put(ch, "x")
            ch.receive()
            ch.send(marker)
            ch.try_send([marker])
            repr(ch)
            Channel(ch)
            iter(ch)
        ch._test_sent()
        self.assertEqual((sys.getrefcount(ch), sys.getrefcount(marker)), references)

    def test_one_made_for_tests_cannot_be_sent(self) -> None:
        with self.assertRaisesRegex(TypeError, "unknown to Erlang"):
            channel().send(channel())

    def test_methods_tell_their_signatures(self) -> None:
        for method, signature in (
            (Channel.receive, "(self, /, timeout_ms=-1)"),
            (Channel.try_receive, "(self, /)"),
            (Channel.async_receive, "(self, /)"),
            (Channel.send, "(self, term, /, timeout_ms=-1)"),
            (Channel.try_send, "(self, term, /)"),
            (Channel.close, "(self, /)"),
        ):
            self.assertEqual(str(inspect.signature(method)), signature)

    def test_every_method_has_a_docstring(self) -> None:
        for kind in (Channel, erlang.ByteChannel):
            for name, member in vars(kind).items():
                if callable(member) and not name.startswith("__"):
                    self.assertTrue(inspect.getdoc(member), name)

    def test_the_modules_offer_the_same_objects(self) -> None:
        import erlang.byte_channel
        import erlang.channel

        self.assertIs(erlang.channel.Channel, Channel)
        self.assertIs(erlang.channel.ChannelClosed, ChannelClosed)
        self.assertIs(erlang.channel.reply, erlang.reply)
        self.assertIs(erlang.byte_channel.ByteChannel, erlang.ByteChannel)
        self.assertIs(erlang.byte_channel.ByteChannelClosed, erlang.ByteChannelClosed)
        self.assertTrue(issubclass(ChannelClosed, erlang.Error))
        self.assertFalse(issubclass(ChannelClosed, erlang.ByteChannelClosed))

    def test_many_channels_come_and_go(self) -> None:
        gc.collect()
        before = len(gc.get_objects())
        for number in range(2000):
            with channel(number) as ch:
                ch.receive()
        del ch
        gc.collect()
        self.assertLess(len(gc.get_objects()) - before, 100)


class Unlinked(unittest.TestCase):
    def test_only_a_pid_can_be_sent_to(self) -> None:
        for function in (erlang.send, erlang.reply):
            for wrong in (1, None, "pid", channel()):
                with self.assertRaisesRegex(TypeError, "^First argument must be an erlang.Pid$"):
                    function(wrong, 1)
            with self.assertRaisesRegex(TypeError, r"\(\) takes 2 arguments \(1 given\)"):
                function(1)

    def test_threads_see_one_object(self) -> None:
        ch, found = channel(*range(100)), []
        threads = [
            threading.Thread(target=lambda: found.append(Channel(ch).receive())) for _ in range(100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(sorted(found), list(range(100)))


if __name__ == "__main__":
    unittest.main()
