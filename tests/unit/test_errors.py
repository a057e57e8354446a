"""Messages quote strangers' files: what they quote must not steer a terminal or break a row."""

import pickle
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.errors import FaceRhythmError


@given(st.text(st.characters()))
def test_a_message_holds_no_control_characters(text: str) -> None:
    message = str(FaceRhythmError(text))
    assert not [c for c in message if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    message.encode("utf-8")
    assert str(FaceRhythmError(message)) == message
    assert str(pickle.loads(pickle.dumps(FaceRhythmError(text)))) == message


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_a_message_keeps_what_can_be_read(text: str) -> None:
    assert str(FaceRhythmError(f"{text}\n\t{text}")) == f"{text}\n\t{text}"
