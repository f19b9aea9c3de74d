import numpy as np

from equipoise.report.contact_sheets import contact_sheet


def test_images_stand_in_rows_and_marks_frame_them() -> None:
    images = np.zeros((5, 3, 8, 8), np.uint8)
    images[:, 1] = np.arange(5, dtype=np.uint8)[:, None, None] * 50
    sheet = np.asarray(contact_sheet(images, 3, np.array([False, False, False, True, False])))
    assert sheet.shape == (24, 36, 3)
    for i in range(5):
        y, x = 12 * (i // 3) + 2, 12 * (i % 3) + 2
        assert np.array_equal(sheet[y : y + 8, x : x + 8].transpose(2, 0, 1), images[i])
    assert sheet[12, 0].tolist() == [200, 30, 40]
    assert sheet[0, 0].tolist() == [255, 255, 255]


def test_no_images_make_an_empty_row() -> None:
    assert contact_sheet(np.empty((0, 3, 8, 8), np.uint8), 3).size == (36, 12)
